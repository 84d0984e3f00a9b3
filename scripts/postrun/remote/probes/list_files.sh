# Which of these paths are files, and which runs there are, in one round trip.
# Arguments: nonce root path... A path is answered by its number, so that no name is misread.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
need ls
enter_root || { begin_part end; exit 0; }
send_queue
send_runs
for path do can_reach "$path"; done
begin_part files
number=0
for path do
    number=$((number + 1))
    [ -f "$path" ] && echo "$number"
done
begin_part end
