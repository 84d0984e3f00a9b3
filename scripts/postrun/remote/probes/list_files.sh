# The survey: nonce root paths... Which of these are files, and which runs there are, in one round trip.
enter || { say end; exit 0; }
say runs
ls "$runs" 2>/dev/null
say files
number=0
for path do
    number=$((number + 1))
    [ -f "$path" ] && echo "$number"
done
say end
