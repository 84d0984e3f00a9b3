# What every probe begins with: POSIX sh with find, ps and stat of GNU or BSD. It is run by `eval`,
# so comments stand on lines of their own; they are not sent.
# An answer is made of parts: a line "<nonce> <heading>", then bytes up to the next such line.
# Nobody else knows the nonce, so no file and no profile can print such a line.
# Some names are used by some probes only.
# shellcheck shell=sh disable=SC2034,SC2154
LC_ALL=C
export LC_ALL
IFS=' 	
'
nonce=$1 root=$2
shift 2

begin_part() { printf '\n%s %s\n' "$nonce" "$1"; }

# Name each of these tools that is not there.
need() {
    for tool do
        command -v "$tool" >/dev/null 2>&1 || begin_part "missing $tool"
    done
}

# What is there and cannot be used is not absent: name it, and say why.
say_unusable() { begin_part "unusable $1"; printf '%s' "$2"; }

# Whether every folder on the way to a path may be entered; say which may not.
can_reach() {
    prefix='' rest=$1
    while :; do
        prefix=$prefix${rest%%/*}
        if [ -L "$prefix" ] && [ ! -e "$prefix" ]; then
            say_unusable "$prefix" 'a symbolic link that leads nowhere, or where this account may not go'
            return 1
        elif [ -d "$prefix" ] && [ ! -x "$prefix" ]; then
            say_unusable "$prefix" 'a folder that this account may not enter'
            return 1
        fi
        case $rest in */*) rest=${rest#*/} prefix=$prefix/ ;; *) return 0 ;; esac
    done
}

# Whether a path is a folder whose names can be listed.
can_list() {
    can_reach "$1" || return 1
    [ -d "$1" ] || return 1
    [ -r "$1" ] && return 0
    say_unusable "$1" 'a folder that this account may not list'
    return 1
}

enter_root() {
    # shellcheck disable=SC2088 # the tilde arrives in quotes and is expanded here
    case $root in
    '~') root=$HOME ;;
    '~/'*) root=$HOME/${root#'~/'} ;;
    esac
    begin_part root
    cd -- "$root" 2>/dev/null && pwd -P && return 0
    can_reach "$root"
    return 1
}

if stat -c %Y / >/dev/null 2>&1; then
    stat_one() { stat -c '%s %Y' "$1"; }
    stat_all='stat -c %s@%Y@%i@%n'
else
    stat_one() { stat -f '%z %m' "$1"; }
    stat_all='stat -f %z@%m@%i@%N'
fi

# Of some paths, one a line: those of regular files. To open a FIFO would wait for ever.
only_files() { while IFS= read -r path; do [ -f "$path" ] && printf '%s\n' "$path"; done; }

# Size and time of a regular file of the run, then its first bytes. A link is not the run's own.
send_file() {
    [ -f "$1" ] && [ ! -L "$1" ] || return 0
    if [ -r "$1" ]; then
        begin_part "file $(stat_one "$1") $1"
        dd if="$1" bs=65536 count="$blocks" 2>/dev/null
    else
        begin_part "unreadable $(stat_one "$1") $1"
    fi
}

# The clock, its zone, which machine this is and when it was started, and its processes but the
# kernel's threads.
send_machine() {
    begin_part clock
    date +%s
    begin_part zone
    date +%z
    begin_part boot
    cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null
    begin_part host
    uname -n
    begin_part namespace
    readlink /proc/self/ns/pid 2>/dev/null
    begin_part processes
    # Without an answer of ps, no process would seem to be at work.
    listing=$(ps -A -ww -o pid= -o ppid= -o etime= -o args=) || begin_part 'failed ps'
    printf '%s\n' "$listing" | sed '/^[ 0-9:-]*\[[^ ]*\]$/d'
}

# The names of all run folders.
send_runs() {
    begin_part runs
    ls "$runs" 2>/dev/null
    can_list "$runs"
}

# What the scheduler's queue says: slurm.sh does it, where there is one.
# shellcheck disable=SC2317
send_queue() { :; }

# A gate folder's report. A link is not the run's own, and is not copied.
send_report() {
    can_list "$1" || return 0
    if [ -L "$1/$report" ]; then
        say_unusable "$1/$report" 'a symbolic link, which is not copied'
    elif [ -f "$1/$report" ]; then
        send_file "$1/$report"
    elif [ -e "$1/$report" ]; then
        say_unusable "$1/$report" 'no plain file'
    else
        begin_part "without_report $1"
    fi
}

runs=audit/workstation_runs
moment='[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]_[0-9][0-9][0-9][0-9][0-9][0-9]'
report=production_gates_report.json
