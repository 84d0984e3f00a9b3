# The look: nonce root tag run-folder report blocks. Facts for detection, in one round trip.
tag=$1 asked_run=$2 asked_report=$3 blocks=$4
enter || { say end; exit 0; }
machine
say runs
ls "$runs" 2>/dev/null

describe() {
    [ -d "$1" ] || return 0
    say "run $1"
    for name in preflight.json command.sh context.json run.pid result.json; do show "$1/$name"; done
    for found in "$1"/data_quality/*/data_quality_report.json; do show "$found"; done
    ended=$(stat_one "$1/result.json" 2>/dev/null) || return 0
    say "zone_at_end $1"
    date -d "@${ended#* }" +%z 2>/dev/null || date -r "${ended#* }" +%z
}

for run in "$runs"/${moment}_production_gates_"$tag"; do describe "$run"; done
[ -n "$asked_run" ] && describe "$asked_run"

# Which reports mention the tag: names of safe characters only, so that xargs reads them as they are.
printf '%s\n' gate_results/production_gates_*/"$report" |
    grep -E "^gate_results/production_gates_[0-9_-]+/$report\$" |
    xargs grep -l -F -e "\"$tag\"" /dev/null 2>/dev/null |
    while read -r found; do show "$found"; done
[ -n "$asked_report" ] && show "$asked_report"
say end
