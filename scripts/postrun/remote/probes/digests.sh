# The digests: nonce root left-out folder... Every regular file below the folders with its SHA-256, every link with
# its target. Plain names come in bulk; a name with a newline, a carriage return or a backslash comes alone, in hex.
left_out=$1
shift
enter || { say end; exit 0; }
say tools
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
say digest
printf '%s\n' "$digest"
[ -n "$digest" ] || { say end; exit 0; }

newline='
'
return=$(printf '\r')
# What find starts, so its variables are not ours.
# shellcheck disable=SC2016
hex='hex() { printf %s "$1" | od -An -v -tx1 | tr -d " \n"; }'
# shellcheck disable=SC2016
one=$hex'; tool=$1; shift; for f; do h=$($tool <"$f") && printf "%s %.64s\n" "$(hex "$f")" "$h" || exit 1; done'
# shellcheck disable=SC2016
link=$hex'; for f; do printf "%s %s\n" "$(hex "$f")" "$(hex "$(readlink "$f")")"; done'

is_odd() { # find's words for it
    find . -path "./$left_out" -prune -o \( -path "*$newline*" -o -path "*$return*" -o -path '*\\*' \) "$@"
}
is_plain() {
    find . -path "./$left_out" -prune -o ! -path "*$newline*" ! -path "*$return*" ! -path '*\\*' "$@"
}

for folder; do
    (
        cd -- "$folder" 2>/dev/null || exit 0
        say "plain $folder"
        # shellcheck disable=SC2086  # the program and its flags
        is_plain -type f -exec $digest {} + || say "failed $folder"
        say "odd $folder"
        is_odd -type f -exec sh -c "$one" sh "$digest" {} + || say "failed $folder"
        say "links $folder"
        find . -path "./$left_out" -prune -o -type l -exec sh -c "$link" sh {} + || say "failed $folder"
    )
done
say end
