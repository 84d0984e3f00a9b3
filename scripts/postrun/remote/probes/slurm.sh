# What Slurm's queue says, for the probes of a workstation whose runs are jobs. It comes between
# common.sh and the probe. `jobs` holds the numbers of jobs that are known from earlier answers.
# Slurm's JSON says "no jobs" with exit code 0 while the controller is away; its text does not.
# shellcheck shell=sh disable=SC2034,SC2154 # names shared with common.sh
need squeue

# The queue's header, the jobs that were submitted from the root, and those that `jobs` and these
# pid files name. Anybody may write a line break into a comment: each line of squeue's own begins
# with the nonce.
# shellcheck disable=SC2086
send_queue() {
    # The account's own settings may leave out jobs.
    for variable in $(env | sed -n 's/^\(SQUEUE_[A-Z_]*\)=.*/\1/p'); do unset "$variable"; done
    listing=$(squeue --all --array --states=all --format="$nonce|%i|%T|%r|%Z|%k" 2>&1)
    code=$?
    begin_part "queue $code"
    if [ "$code" -ne 0 ]; then
        printf '%s\n' "$listing" | tail -c 2000
        return 0
    fi
    named=$({
        printf '%s\n' $jobs
        sed -n 's/.*"job_id" *: *"\([0-9_]*\)".*/\1/p' "$@" /dev/null 2>/dev/null
    } | grep . | sort -u)
    patterns=$(printf "$nonce|%s|\n" JOBID $named && printf '|%s|postrun:\n' "$(pwd -P)")
    own=$(printf '%s\n' "$listing" | grep -a -F -e "$patterns")
    printf '%s\n' "$own"
    begin_part named
    printf '%s\n' "$named"
    # Of a job that is not listed: does this cluster hold it, and does it show jobs of others?
    listed=$(printf '%s\n' "$own" | cut -d '|' -f 2)
    absent=$(printf '%s\n' "$named" | grep . | grep -v -x -F -e "$listed")
    [ -n "$absent" ] || return 0
    config=$(scontrol show config 2>/dev/null)
    begin_part cluster
    printf '%s\n' "$config" | sed -n 's/^ClusterName *= *//p'
    begin_part private
    printf '%s\n' "$config" | sed -n 's/^PrivateData *= *//p'
}
