# Every report that may be a run's, and what cannot be read where it may be, in one round trip.
# Arguments: nonce root blocks (of a file, at most) first last folder... Of each of these folders,
# the gate folders from the name first to the name last are looked at.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
blocks=$1 first=$2 last=$3
shift 3
need awk dd grep stat
enter_root || { begin_part end; exit 0; }

for folder do
    begin_part "searched $folder"
    can_list "$folder" || continue
    begin_part "found $folder"
    (cd -- "$folder" && pwd -P)
    (cd -- "$folder" && printf '%s\n' production_gates_*) |
        grep -E '^production_gates_[0-9_-]+$' |
        awk -v first="$first" -v last="$last" '$0 >= first && $0 <= last' |
        while read -r name; do send_report "$folder/$name"; done
done
begin_part end
