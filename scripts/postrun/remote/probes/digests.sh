# Every regular file below some folders with its SHA-256 and its size, every link with its target.
# Arguments: nonce root left-out litter folder...
#   left-out  a folder of this name, at the top, is left out
#   litter    patterns of file names, divided by spaces: these files are left out
# Plain names come together, as the tool prints them. A name with a newline, a carriage return or a
# backslash, which the tools would change, comes alone and in hexadecimal digits.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
left_out=$1 litter=$2
shift 2
# The patterns are find's to expand.
set -f
kept=
for pattern in $litter; do kept="$kept ! -name $pattern"; done
need find od stat tr
enter_root || { begin_part end; exit 0; }
begin_part tools
command -v rsync

if command -v sha256sum >/dev/null; then
    digest='sha256sum'
elif command -v shasum >/dev/null; then
    digest='shasum -a 256'
elif command -v openssl >/dev/null; then
    digest='openssl dgst -sha256 -r'
else
    digest=
fi
begin_part digest
printf '%s\n' "$digest"
[ -n "$digest" ] || { begin_part end; exit 0; }

newline='
'
return=$(printf '\r')
# Scripts for the shells that find starts: $digest is the first word, the files are the others.
# shellcheck disable=SC2016
hex='hex() { printf %s "$1" | od -An -v -tx1 | tr -d " \n"; }'
# shellcheck disable=SC2016
digest_each='; tool=$1; shift; for f; do h=$($tool <"$f") && printf "%s %.64s\n" "$(hex "$f")" "$h" || exit 1; done'
# shellcheck disable=SC2016
unreadable_each='for f; do [ -r "$f" ] && { [ ! -d "$f" ] || [ -x "$f" ]; } || printf "%s\n" "$f"; done'
# shellcheck disable=SC2016
target_each='; for f; do printf "%s %s\n" "$(hex "$f")" "$(hex "$(readlink "$f")")"; done'

# shellcheck disable=SC2086 # words
find_odd() {
    find . -path "./$left_out" -prune -o $kept \
        \( -path "*$newline*" -o -path "*$return*" -o -path '*\\*' \) "$@"
}
# shellcheck disable=SC2086
find_plain() {
    find . -path "./$left_out" -prune -o $kept \
        ! -path "*$newline*" ! -path "*$return*" ! -path '*\\*' "$@"
}

# The files and folders that this account may not read; none when another thing failed.
say_failed() {
    begin_part "failed $folder"
    # shellcheck disable=SC2086
    find . -path "./$left_out" -prune -o $kept ! -type l \
        -exec sh -c "$unreadable_each" sh {} + 2>/dev/null
}

for folder; do
    (
        can_list "$folder" || exit 0
        begin_part "plain $folder"
        cd -- "$folder" || { say_failed; exit 0; }
        # shellcheck disable=SC2086 # a tool and its options
        find_plain -type f -exec $digest {} + || say_failed
        begin_part "sizes $folder"
        # shellcheck disable=SC2086
        find_plain -type f -exec $stat_all {} +
        begin_part "odd $folder"
        find_odd -type f -exec sh -c "$hex$digest_each" sh "$digest" {} + || say_failed
        begin_part "links $folder"
        # shellcheck disable=SC2086
        find . -path "./$left_out" -prune -o $kept -type l -exec sh -c "$hex$target_each" sh {} + || say_failed
    )
done
begin_part end
