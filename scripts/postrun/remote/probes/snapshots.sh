# The glances: nonce root ours blocks tail first asked tag... One poll of runs, in one round trip.
# `ours` is a regular expression for the lines of files that this project writes: they are no sign of life. Run folders
# are listed from the name `first` on (none when it is empty), each with + when it has a result, else -. `asked` is the
# run folder to look at, when the tag alone is not to decide. Few programs are started a run: a poll may come each second.
ours=$1 blocks=$2 tail=$3 first=$4 asked=$5
shift 5
enter || { say end; exit 0; }
machine

from() { sort | sed -n "\\|^$1\$|,\$p"; } # of names and $1 among them, those that are not before $1

if [ -n "$first" ]; then
    say folders
    { ls "$runs" 2>/dev/null; printf '%s\n' "$first"; } |
        grep -E '^[0-9][0-9_-]*(_production_gates_[A-Za-z0-9._-]*)?$' | from "$first" | while read -r name; do
        if [ -f "$runs/$name/result.json" ]; then
            printf '+%s\n' "$name"
        elif [ -d "$runs/$name" ]; then
            printf -- '-%s\n' "$name"
        fi
    done
fi

homes='' words=''
for tag; do
    # shellcheck disable=SC2089  # grep gets the quotes: they are in the report, too
    words="$words -e \"$tag\""
    last=
    say "watch $tag"
    for run in ${asked:-"$runs"/${moment}_production_gates_"$tag"}; do
        [ -d "$run" ] || continue
        last=$run
        printf '%s\n' "$run"
    done
    [ -n "$last" ] || continue
    homes="$homes $last/"
    if [ -f "$last/context.json" ]; then
        say context
    else
        quality=
        for found in "$last"/data_quality/*/data_quality_report.json; do quality=$found; done
        show "$last/preflight.json"
        show "$quality"
    fi
    show "$last/run.pid"
    show "$last/result.json"
    say log
    [ -f "$last/run.log" ] && tail -c "$tail" "$last/run.log"
done
[ -n "$homes" ] || { say end; exit 0; }

# Gate folders since the day before the first of these runs began (a clock may be put back, and no month is shorter
# than 28 days), with a report or open; odd names are no gate folders.
day=$(for home in $homes; do home=${home%/} && printf '%s\n' "${home##*/}"; done | sort |
    awk -F '[-_]' 'NR == 1 { y = $1; m = $2; d = $3 - 1; if (d < 1) { d = 28; m-- } if (m < 1) { m = 12; y-- }
        printf "%04d-%02d-%02d", y, m, d }')
mark=gate_results/production_gates_$day
reports='' open=''
for gate in $(printf '%s\n' gate_results/production_gates_* "$mark" |
    grep -E '^gate_results/production_gates_[0-9_-]+$' | from "$mark"); do
    if [ -f "$gate/$report" ]; then
        reports="$reports $gate/$report"
    elif [ -d "$gate" ]; then
        open="$open $gate/"
    fi
done
# Without such tools there is no answer: it has no end. A command has its longest length, so xargs parts the reports.
printf '"a"' | grep -a -o -F -e '"a"' >/dev/null 2>&1 && command -v xargs >/dev/null 2>&1 || exit 0
# Lists are split at spaces on purpose: no name in them holds one.
# shellcheck disable=SC2086,SC2090
hits=$(printf '%s\n' $reports | xargs grep -a -o -F $words /dev/null 2>/dev/null | sort -u)
say reports
# shellcheck disable=SC2086
printf '%s\n' $hits

# Of each folder a sum that changes with the size, time, inode or number of its files, whatever their order.
say sums
# shellcheck disable=SC2086
mine=$(printf '%s\n' $hits | sed "s|/$report:.*|/|" | sort -u)
# shellcheck disable=SC2086
find $homes $open $mine -type f -exec $stat_all {} + 2>/dev/null | grep -v -E "$ours" | awk -F @ '
    { split($4, part, "/"); name = part[1] == "gate_results" ? part[2] : part[3]
      line = $1 % P; line = (line * 31 + $2) % P; line = (line * 31 + $3) % P; line = (line * 31 + length($0)) % P
      sum[name] = (sum[name] + line) % P; square[name] = (square[name] + line * line) % P; count[name]++ }
    END { for (name in count) printf "%d.%.0f.%.0f %s\n", count[name], sum[name], square[name], name }' P=67108859 || exit 0
say end
