# Give a file its name, unless the name is taken: a hard link is made by one process alone.
# Arguments: nonce root file name. What was written so far must be on the disk before.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
need ln
enter_root || { begin_part end; exit 0; }
sync
begin_part created
if message=$(ln -- "$1" "$2" 2>&1); then
    echo created
elif [ -e "$2" ]; then
    echo taken
else
    printf '%s\n' "$message"
fi
rm -f -- "$1"
begin_part end
