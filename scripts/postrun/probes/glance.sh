# The glance: nonce root tag run-folder ours blocks tail. What one poll of the monitor needs, in one small round trip.
tag=$1 asked_run=$2 ours=$3 blocks=$4 tail=$5
enter || { say end; exit 0; }
machine
gates=$(all_gates)
watched "$tag" "$asked_run"
say end
