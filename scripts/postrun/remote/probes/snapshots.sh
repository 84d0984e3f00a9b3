# One poll of runs, in one round trip. Few programs are started a run: a poll may come each second.
# Arguments: nonce root ours blocks tail first asked tag...
#   ours    a regular expression for the paths that this project writes: they are no sign of life
#   blocks  of a file, at most; tail: bytes of a log
#   first   run folders are listed from this name on, with + when one has a result, else -; none
#           when it is empty
#   asked   the run folder to read, when it is not the newest of the tag
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
ours=$1 blocks=$2 tail=$3 first=$4 asked=$5
shift 5
need awk dd find grep ls ps sed sort stat tail xargs
enter_root || { begin_part end; exit 0; }
send_machine

# Of some names, with $1 among them: sort, and leave out those before $1.
not_before() { sort | sed -n "\\|^$1\$|,\$p"; }

can_list "$runs"
if [ -n "$first" ]; then
    begin_part folders
    { ls "$runs" 2>/dev/null; printf '%s\n' "$first"; } |
        grep -a -E '^[0-9][0-9_-]*(_production_gates_.*)?$' | not_before "$first" |
        while IFS= read -r name; do
            if [ -f "$runs/$name/result.json" ]; then
                printf '+%s\n' "$name"
            elif [ -d "$runs/$name" ]; then
                printf -- '-%s\n' "$name"
            fi
        done
fi

newest_runs='' records='' pid_files=''
for tag; do
    newest=
    begin_part "tag $tag"
    for run in ${asked:-"$runs"/${moment}_production_gates_"$tag"}; do
        [ -d "$run" ] || continue
        newest=$run
        for path in "$run/context.json" "$run/preflight.json"; do
            # To open a FIFO would wait for ever.
            [ -f "$path" ] && records="$records $path"
        done
        printf '%s\n' "$run"
    done
    [ -n "$newest" ] || continue
    newest_runs="$newest_runs $newest/"
    pid_files="$pid_files $newest/run.pid"
    can_list "$newest" || continue
    if [ -f "$newest/context.json" ]; then
        begin_part context
    else
        quality=
        for path in "$newest"/data_quality/*/data_quality_report.json; do quality=$path; done
        send_file "$newest/preflight.json"
        send_file "$quality"
    fi
    send_file "$newest/run.pid"
    send_file "$newest/result.json"
    begin_part log
    [ -f "$newest/run.log" ] && tail -c "$tail" "$newest/run.log"
done
# shellcheck disable=SC2086
send_queue $pid_files
[ -n "$newest_runs" ] || { begin_part end; exit 0; }

# What these runs' own records say of them: the tag as it was typed, and the host.
begin_part records
# shellcheck disable=SC2086
grep -a -o -e '"decision_tag" *: *"[^"]*"' -e '"hostname" *: *"[^"]*"' $records /dev/null 2>/dev/null

# The gate folders since the day before the first of these runs began, with a report or without. A
# clock may be put back, and no month is shorter than 28 days. Odd names are no gate folders.
day=$(for run in $newest_runs; do run=${run%/} && printf '%s\n' "${run##*/}"; done | sort |
    awk -F '[-_]' 'NR == 1 {
            y = $1; m = $2; d = $3 - 1
            if (d < 1) { d = 28; m-- }
            if (m < 1) { m = 12; y-- }
            printf "%04d-%02d-%02d", y, m, d }')
first_gate=gate_results/production_gates_$day
reports='' open=''
for gate in $(printf '%s\n' gate_results/production_gates_* "$first_gate" |
    grep -E '^gate_results/production_gates_[0-9_-]+$' | not_before "$first_gate"); do
    if [ -f "$gate/$report" ]; then
        reports="$reports $gate/$report"
    elif [ -d "$gate" ]; then
        open="$open $gate/"
    fi
done
printf '"a"' | grep -a -o -F -e '"a"' >/dev/null 2>&1 || begin_part 'missing grep with -a and -o'
# Any `_` of a tag may have been another character when it was typed: who reads the answer decides.
# A command may not be too long: xargs divides the reports.
patterns=$(printf '"%s"\n' "$@" | tr _ .)
# shellcheck disable=SC2086 # a list of names without spaces
matches=$(printf '%s\n' $reports | xargs grep -a -o -e "$patterns" /dev/null 2>/dev/null | sort -u)
begin_part reports
printf '%s\n' "$matches"

# Of each folder a sum that changes with size, time, inode or number of its files, in any order.
begin_part sums
gates=$(printf '%s\n' "$matches" | sed "s|/$report:.*|/|" | sort -u)
# shellcheck disable=SC2086
find $newest_runs $open $gates -type f -exec $stat_all {} + 2>/dev/null | grep -v -E "$ours" |
    awk -F @ '
    { split($4, part, "/"); name = part[1] == "gate_results" ? part[2] : part[3]
      line = $1 % P; line = (line * 31 + $2) % P; line = (line * 31 + $3) % P; line = (line * 31 + length($0)) % P
      sum[name] = (sum[name] + line) % P; square[name] = (square[name] + line * line) % P; count[name]++ }
    END { for (name in count) printf "%d.%.0f.%.0f %s\n", count[name], sum[name], square[name], name
    }' P=67108859 || exit 0
begin_part end
