# The glance: nonce root tag run-folder ours blocks tail. What one poll of the monitor needs, in one small round trip.
# `ours` is a regular expression for the lines of files that this project writes: they are no sign of life.
tag=$1 asked_run=$2 ours=$3 blocks=$4 tail=$5
enter || { say end; exit 0; }
machine

say runs
last=
for run in "$runs"/${moment}_production_gates_"$tag"; do
    if [ -d "$run" ] && [ -z "$asked_run" ]; then
        last=$run
        printf '%s\n' "$run"
    fi
done
if [ -n "$asked_run" ] && [ -d "$asked_run" ]; then
    last=$asked_run
    printf '%s\n' "$last"
fi
[ -n "$last" ] || { say end; exit 0; }

[ -f "$last/context.json" ] && say context
quality=
for found in "$last"/data_quality/*/data_quality_report.json; do quality=$found; done
for found in "$last/preflight.json" "$quality" "$last/run.pid" "$last/result.json"; do show "$found"; done
say log
[ -f "$last/run.log" ] && tail -c "$tail" "$last/run.log"

# Gate folders whose name is not before $1; the names are of safe characters only.
since() {
    { printf '%s\n' gate_results/production_gates_* "$1"; } | grep -E '^gate_results/production_gates_[0-9_-]+$' |
        sort | sed -n "\\|^$1\$|,\$p"
}

listing() {
    for folder; do find "$folder/" -type f -exec $stat_all {} + 2>/dev/null; done | grep -v -E "$ours" | sort | cksum
}

began=${last#"$runs"/}
mine=$(since "gate_results/production_gates_${began%%_*}" | sed "s|\$|/$report|" |
    xargs grep -l -F -e "\"$tag\"" /dev/null 2>/dev/null | sed "s|/$report\$||")
open=
for gate in $(since "gate_results/production_gates_${began%%_production_gates_*}"); do
    [ -d "$gate" ] && [ ! -f "$gate/$report" ] && open="$open $gate"
done
say gates
printf '%s\n' $mine
say settled
listing "$last" $mine
say activity
listing "$last" $mine $open
say end
