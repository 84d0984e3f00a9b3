"""Artifacts: is everything there, readable, and as the workstation left it?"""

from pathlib import Path

from postrun.audit.answers import Answer, by_faults, join
from postrun.audit.facts import Document, Facts
from postrun.decide import missing_report

# What the official launcher leaves in every run folder.
_RUN_FILES = ("preflight", "context", "command", "run_log", "result")


def evidence_unchanged(facts: Facts) -> Answer:
    """Return whether every file has the size and the digest that the manifest lists."""
    expected = "every file with the size and digest in the manifest"
    manifest = facts.evidence.manifest
    manifest.required()
    changed = facts.evidence.changed
    return by_faults(expected, changed, "as recorded", manifest)


def evidence_verified(facts: Facts) -> Answer:
    """Return whether the copy was compared with the workstation, digest by digest."""
    manifest = facts.evidence.manifest
    # `verified` stays true as long as nothing changed since the comparison.
    verified = manifest.members.get("verified") is True
    observed = "compared" if verified else "never compared: closed with --no-sync"
    return Answer(verified, "digests of both sides compared", observed, manifest.path)


def run_files_present(facts: Facts) -> Answer:
    """Return whether the launcher's files are all among the evidence."""
    expected = "preflight, context, command, log and result"
    paths = [facts.run_paths.path(name) for name in _RUN_FILES]
    return _all_present(facts, expected, paths)


def report_files_present(facts: Facts) -> Answer:
    """Return whether the gate report is there for programs and for readers."""
    expected = "the gate report as JSON and as Markdown"
    if facts.run_paths.gate is None:
        observed = facts.report.problem or missing_report.NONE
        return Answer(False, expected, observed, None)
    report = facts.run_paths.path("production_gates_report")
    return _all_present(facts, expected, [report, report.with_suffix(".md")])


def _all_present(
    facts: Facts,
    expected: str,
    paths: list[Path],
) -> Answer:
    relative = facts.run_paths.relative
    names = list(map(relative, paths))
    present = facts.evidence.present
    missing = [name for name in names if name not in present]
    faults = [f"{name} is {facts.evidence.absence(name)}" for name in missing]
    observed = join(faults) or "all there"
    # One path can be named: the first file that is missing is where to begin.
    evidence = (missing or names)[0]
    return Answer(not missing, expected, observed, evidence)


def context_readable(facts: Facts) -> Answer:
    """Return whether the context is JSON of the right shape."""
    return _readable(facts.context)


def report_readable(facts: Facts) -> Answer:
    """Return whether the gate report is JSON of the right shape."""
    return _readable(facts.report)


def _readable(document: Document) -> Answer:
    document.required()
    return Answer(True, "JSON that fits its schema", "readable", document.path)


def final_summary_present(facts: Facts) -> Answer:
    """Return whether the decision has its page."""
    observed = "there" if facts.has_summary else "nothing there"
    return Answer(facts.has_summary, "a final summary", observed, facts.summary_path)


CHECKS = (
    evidence_unchanged,
    evidence_verified,
    run_files_present,
    context_readable,
    report_files_present,
    report_readable,
    final_summary_present,
)
