# What the probes share. POSIX sh with find, ps, stat of GNU or BSD; run as `eval`, whatever the login shell is.
# An answer is made of parts: a line "<nonce> <name>", then bytes up to the next such line. Nothing else can look so.
LC_ALL=C
export LC_ALL
IFS=' 	
'
nonce=$1 root=$2
shift 2

say() { printf '\n%s %s\n' "$nonce" "$1"; }

enter() {
    # The tilde is what the user wrote, it has not been expanded.
    # shellcheck disable=SC2088
    case $root in
    '~') root=$HOME ;;
    '~/'*) root=$HOME/${root#'~/'} ;;
    esac
    say root
    cd -- "$root" 2>/dev/null && pwd -P
}

if stat -c %Y / >/dev/null 2>&1; then
    stat_one() { stat -c '%s %Y' "$1"; }
    stat_all='stat -c %s@%Y@%i@%n'
else
    stat_one() { stat -f '%z %m' "$1"; }
    stat_all='stat -f %z@%m@%i@%N'
fi

# A regular file of the run: its size and time, then its first bytes. A link is not the run's own file.
show() {
    [ -f "$1" ] && [ ! -L "$1" ] || return 0
    if [ -r "$1" ]; then
        say "file $(stat_one "$1") $1"
        dd if="$1" bs=65536 count="$blocks" 2>/dev/null
    else
        say "unreadable $(stat_one "$1") $1"
    fi
}

machine() {
    say clock
    date +%s
    say zone
    date +%z
    say boot
    cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null
    say processes
    ps -A -ww -o pid= -o ppid= -o etime= -o args= | sed '/^[ 0-9:-]*\[[^ ]*\]$/d' # without the kernel's threads
}

runs=audit/workstation_runs
moment='[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]_[0-9][0-9][0-9][0-9][0-9][0-9]'
report=production_gates_report.json
