"""From the snapshot of a run to the facts that its state depends on."""

from collections.abc import Collection

from postrun.decide import gates
from postrun.monitor.states import Facts
from postrun.remote import processes, scheduler, visibility
from postrun.remote.snapshots import RunSnapshot
from postrun.store import json_files


def facts_from(
    snapshot: RunSnapshot,
    tag: str,
    pattern: str | None = None,
    ignored_programs: Collection[str] = (),
) -> Facts:
    """Return the facts of one poll. Raises Usage for a pattern that is no regular expression."""
    runs = snapshot.runs
    if runs:
        tag = snapshot.raw_tags.get(runs[-1], tag)
        runs = tuple(run for run in runs if snapshot.raw_tags.get(run, tag) == tag)
    run_processes = processes.of_run(
        snapshot.processes,
        tag,
        runs[-1] if runs else None,
        snapshot.gates,
        snapshot.pid_file,
        snapshot.boot_id,
        pattern,
        ignored_programs,
        snapshot.view.pid_namespace,
    )
    record = processes.read_pid_file(snapshot.pid_file)
    job = scheduler.job_of_run(snapshot.queue, tag, record)
    at_work = ""
    if run_processes:
        at_work = f"{processes.describe(run_processes)} ({processes.READERS_HINT})"
    reading = json_files.Reading()
    if snapshot.result is not None:
        reading = json_files.try_parse(snapshot.result, "result.json", "result")
    flaw = snapshot.unreadable or reading.problem or None
    settled = snapshot.settled
    if gates.exit_code(reading.value) == 0 and not snapshot.gates:
        # A successful run without a report yet: any open gate folder may become its report's.
        settled = snapshot.activity
    return Facts(
        runs=runs,
        has_context=snapshot.has_context,
        stopped=_stopped_by_gate(snapshot),
        result_text=snapshot.unreadable or snapshot.result,
        result_flaw=flaw,
        processes=len(run_processes),
        at_work=at_work,
        settled=settled,
        activity=snapshot.activity,
        boot_id=snapshot.boot_id,
        unseen=visibility.why_unseen(snapshot, job),
        restarted_from=visibility.restarted_from(snapshot),
        job=job,
        nearest_tags=snapshot.nearest_tags,
        other_runs=tuple(run for run in snapshot.runs if run not in runs),
    )


def _stopped_by_gate(snapshot: RunSnapshot) -> str | None:
    """Return which gate before the run stopped it, with that gate's own reasons."""
    preflight = json_files.try_parse(snapshot.preflight, "preflight").members
    if preflight.get("status") == "fail":
        return _with_reasons("the preflight failed", preflight.get("reasons"))
    data_quality = json_files.try_parse(snapshot.data_quality, "data quality").members
    if data_quality.get("overall_pass") is False:
        return _with_reasons("the data-quality gate failed", data_quality.get("failures"))
    return None


def _with_reasons(message: str, reasons: object) -> str:
    if not isinstance(reasons, list) or not reasons:
        return message
    return f"{message}: {', '.join(map(str, reasons))}"
