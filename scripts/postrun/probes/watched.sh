# One run under watch, for `glance` and `glances`; `ours blocks tail` are set, and `gates`: the folders to look among.
# `ours` is a regular expression for the lines of files that this project writes: they are no sign of life.

# Every gate folder; the names are of safe characters only.
all_gates() { printf '%s\n' gate_results/production_gates_* | grep -E '^gate_results/production_gates_[0-9_-]+$'; }

# Those of $gates whose name is not before $1.
since() { printf '%s\n' $gates "$1" | sort | sed -n "\\|^$1\$|,\$p"; }

listing() {
    for folder; do find "$folder/" -type f -exec $stat_all {} + 2>/dev/null; done | grep -v -E "$ours" | sort | cksum
}

# What one poll needs to know of the run with tag $1, or of the run folder $2 when one is asked for.
watched() {
    say runs
    last=
    for run in "$runs"/${moment}_production_gates_"$1"; do
        if [ -d "$run" ] && [ -z "$2" ]; then
            last=$run
            printf '%s\n' "$run"
        fi
    done
    if [ -n "$2" ] && [ -d "$2" ]; then
        last=$2
        printf '%s\n' "$last"
    fi
    [ -n "$last" ] || return 0

    [ -f "$last/context.json" ] && say context
    quality=
    for found in "$last"/data_quality/*/data_quality_report.json; do quality=$found; done
    for found in "$last/preflight.json" "$quality" "$last/run.pid" "$last/result.json"; do show "$found"; done
    say log
    [ -f "$last/run.log" ] && tail -c "$tail" "$last/run.log"

    began=${last#"$runs"/}
    mine=$(since "gate_results/production_gates_${began%%_*}" | sed "s|\$|/$report|" |
        xargs grep -l -F -e "\"$1\"" /dev/null 2>/dev/null | sed "s|/$report\$||")
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
}
