# Every regular file below some folders with its SHA-256, every link with its target.
# Arguments: nonce root left-out folder... A folder of the name left-out, at the top, is left out.
# Plain names come together, as the tool prints them. A name with a newline, a carriage return or a
# backslash, which the tools would change, comes alone and in hexadecimal digits.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
left_out=$1
shift
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
target_each='; for f; do printf "%s %s\n" "$(hex "$f")" "$(hex "$(readlink "$f")")"; done'

find_odd() {
    find . -path "./$left_out" -prune -o \
        \( -path "*$newline*" -o -path "*$return*" -o -path '*\\*' \) "$@"
}
find_plain() {
    find . -path "./$left_out" -prune -o \
        ! -path "*$newline*" ! -path "*$return*" ! -path '*\\*' "$@"
}

for folder; do
    (
        cd -- "$folder" 2>/dev/null || exit 0
        begin_part "plain $folder"
        # shellcheck disable=SC2086 # a tool and its options
        find_plain -type f -exec $digest {} + || begin_part "failed $folder"
        begin_part "odd $folder"
        find_odd -type f -exec sh -c "$hex$digest_each" sh "$digest" {} + ||
            begin_part "failed $folder"
        begin_part "links $folder"
        find . -path "./$left_out" -prune -o -type l -exec sh -c "$hex$target_each" sh {} + ||
            begin_part "failed $folder"
    )
done
begin_part end
