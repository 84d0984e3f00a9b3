"""Whether a run's processes could have been seen from where processes were listed.

That none was seen counts only then: a run that goes on elsewhere must not be taken for dead.
"""

from postrun.core import values
from postrun.remote import processes, scheduler
from postrun.remote.scheduler import Job
from postrun.remote.snapshots import RunSnapshot

# The first PID namespace of a machine, in which all others' processes are listed, too. Linux gives
# it this number on every machine.
_FIRST_NAMESPACE = "pid:[4026531836]"


def why_unseen(snapshot: RunSnapshot, job: Job | None = None) -> str | None:
    """Return why the processes of a run cannot be seen; None when they can, as far as is known.

    Where a scheduler starts runs, its queue is asked for the run's job. A run without a known job
    may be on any node, but for one that was started on the host that answers.
    """
    if job:
        return None
    reason = _why_unseen_there(snapshot)
    if reason or snapshot.queue is None:
        return reason
    record = processes.read_pid_file(snapshot.pid_file)
    named = scheduler.named_job(record)
    if named:
        return f"Slurm's queue does not say what became of job {named}"
    if (record.get("boot_id") and snapshot.boot_id) or _is_same_host(snapshot):
        return None
    return "Slurm's queue has no job of it, and it may be on any node"


def _why_unseen_there(snapshot: RunSnapshot) -> str | None:
    """Return why the listed processes do not show the run's own; None when they do."""
    view = snapshot.view
    if not view.lists_process_1:
        return "the list of processes lacks process 1, as with /proc mounted with hidepid"
    record = processes.read_pid_file(snapshot.pid_file)
    boot_id = values.text(record.get("boot_id"))
    if boot_id and snapshot.boot_id:
        if boot_id != snapshot.boot_id:
            another = f"run.pid names another machine than {view.host_name}, or an earlier start"
            return f"{another} of it: if that was restarted, close the run with --abandoned"
        recorded = values.text(record.get("pid_namespace"))
        if view.pid_namespace in (recorded, _FIRST_NAMESPACE, None):
            return None
        return f"the run may be in another PID namespace than {view.pid_namespace}"
    if _is_same_host(snapshot) is False:
        return f"the run was started on {snapshot.started_on}, and {view.host_name} answers"
    return None


def restarted_from(snapshot: RunSnapshot) -> str | None:
    """Return the boot id of run.pid when a host of the run's name answers, started again since."""
    record = processes.read_pid_file(snapshot.pid_file)
    boot_id = values.text(record.get("boot_id"))
    # A host that does not say its boot id may be the same as ever.
    if snapshot.boot_id and boot_id != snapshot.boot_id and _is_same_host(snapshot):
        return boot_id
    return None


def _is_same_host(snapshot: RunSnapshot) -> bool | None:
    """Return whether the host that answers has the name in the run's records; None: not known."""
    if not snapshot.started_on or not snapshot.view.host_name:
        return None
    return _short_name(snapshot.started_on) == _short_name(snapshot.view.host_name)


def _short_name(host: str) -> str:
    name, _, _ = host.partition(".")
    return name.lower()
