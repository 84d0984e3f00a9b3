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

enter_root() {
    # shellcheck disable=SC2088 # the tilde arrives in quotes and is expanded here
    case $root in
    '~') root=$HOME ;;
    '~/'*) root=$HOME/${root#'~/'} ;;
    esac
    begin_part root
    cd -- "$root" 2>/dev/null && pwd -P
}

if stat -c %Y / >/dev/null 2>&1; then
    stat_one() { stat -c '%s %Y' "$1"; }
    stat_all='stat -c %s@%Y@%i@%n'
else
    stat_one() { stat -f '%z %m' "$1"; }
    stat_all='stat -f %z@%m@%i@%N'
fi

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
    ps -A -ww -o pid= -o ppid= -o etime= -o args= | sed '/^[ 0-9:-]*\[[^ ]*\]$/d'
}

runs=audit/workstation_runs
moment='[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]_[0-9][0-9][0-9][0-9][0-9][0-9]'
report=production_gates_report.json
