# What detection needs to know, in one round trip.
# Arguments: nonce root tag run-folder report blocks (of a file, at most). The tag is that of a
# folder's name. The run folder and the report that are asked for are paths below the root, or empty.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
tag=$1 asked_run=$2 asked_report=$3 blocks=$4
need dd grep ls ps sed stat xargs
enter_root || { begin_part end; exit 0; }
send_machine
# shellcheck disable=SC2086
send_queue "$runs"/${moment}_production_gates_"$tag"/run.pid
send_runs

send_run() {
    [ -d "$1" ] || return 0
    begin_part "run $1"
    can_list "$1" || return 0
    for name in preflight.json command.sh context.json run.pid result.json; do
        send_file "$1/$name"
    done
    for quality in "$1"/data_quality/*/data_quality_report.json; do send_file "$quality"; done
    ended=$(stat_one "$1/result.json" 2>/dev/null) || return 0
    begin_part "zone_at_end $1"
    date -d "@${ended#* }" +%z 2>/dev/null || date -r "${ended#* }" +%z
}

for run in "$runs"/${moment}_production_gates_"$tag"; do send_run "$run"; done
[ -n "$asked_run" ] && send_run "$asked_run"

# The reports that mention the tag: any `_` may have been another character when it was typed. Only
# names of harmless characters, which xargs does not change.
typed=$(printf '%s\n' "$tag" | sed 's|_|[_ /:]|g; s|[.]|\\.|g')
printf '%s\n' gate_results/production_gates_*/"$report" |
    grep -E "^gate_results/production_gates_[0-9_-]+/$report\$" | only_files |
    xargs grep -l -e "\"$typed\"" /dev/null 2>/dev/null |
    while read -r path; do send_file "$path"; done
[ -n "$asked_report" ] && send_report "${asked_report%/*}"
begin_part end
