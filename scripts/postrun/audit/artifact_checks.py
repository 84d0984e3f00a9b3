"""Is everything there, readable, and what the workstation left behind?"""

from postrun.audit.facts import Answer, Document, Facts, several
from postrun.core.artifacts import ARTIFACTS, Home

_OF_RUN = ("preflight", "context", "command", "run_log", "result")


def evidence_unchanged(facts: Facts) -> Answer:
    """Every file that the manifest lists has the size and the digest recorded there."""
    manifest, expected = (
        facts.evidence.manifest,
        "every file with the size and digest in the manifest",
    )
    if manifest.value is None:
        return Answer(False, expected, manifest.problem, manifest.path)
    changed = facts.evidence.changed
    return Answer(not changed, expected, several(changed, "as recorded"), manifest.path)


def evidence_verified(facts: Facts) -> Answer:
    """The copy was compared with the workstation, digest by digest."""
    verified = facts.evidence.manifest.members.get("verified") is True
    found = "compared" if verified else "never compared: closed with --no-sync"
    return Answer(verified, "digests of both sides compared", found, facts.evidence.manifest.path)


def run_files_present(facts: Facts) -> Answer:
    """The launcher left all of its files."""
    wanted = [facts.run_paths.relative(facts.run_paths.path(name)) for name in _OF_RUN]
    return _present(facts, wanted, "preflight, context, command, log and result")


def report_files_present(facts: Facts) -> Answer:
    """The gate report is there for programs and for readers."""
    expected = "the gate report as JSON and as Markdown"
    if facts.run_paths.gate is None:
        return Answer(False, expected, "no gate report belongs to this run", None)
    artifact = ARTIFACTS["production_gates_report"]
    folder = facts.run_paths.relative(facts.run_paths.folder(Home.GATE))
    return _present(
        facts, [f"{folder}/{artifact.file}{suffix}" for suffix in artifact.suffixes], expected
    )


def _present(facts: Facts, wanted: list[str], expected: str) -> Answer:
    lacking = [path for path in wanted if path not in facts.evidence.present]
    observed = several([f"{path} is not among the evidence" for path in lacking], "all there")
    return Answer(not lacking, expected, observed, lacking[0] if lacking else wanted[0])


def context_readable(facts: Facts) -> Answer:
    """The context is JSON and says which run it belongs to."""
    return _readable(facts.context)


def report_readable(facts: Facts) -> Answer:
    """The gate report is JSON of the right shape."""
    return _readable(facts.report)


def _readable(document: Document) -> Answer:
    readable = document.value is not None
    return Answer(
        readable,
        "JSON that fits its schema",
        "readable" if readable else document.problem,
        document.path,
    )


def final_summary_present(facts: Facts) -> Answer:
    """The decision has its page."""
    return Answer(
        facts.has_summary,
        "a final summary",
        "there" if facts.has_summary else "nothing there",
        facts.summary,
    )


CHECKS = (
    evidence_unchanged,
    evidence_verified,
    run_files_present,
    context_readable,
    report_files_present,
    report_readable,
    final_summary_present,
)
