# Which pushes of which members a team's root has, in one round trip.
# Arguments: nonce root.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
enter_root || { begin_part end; exit 0; }
begin_part pushes
for file in audit/team/members/*/*.json; do
    [ -f "$file" ] && printf '%s\n' "${file#audit/team/members/}"
done
begin_part end
