"""Artifacts: is everything there, readable, and as the workstation left it?"""

from postrun.audit.answers import Answer, by_faults
from postrun.audit.facts import Document, Facts
from postrun.core.artifacts import ARTIFACTS

# What the official launcher leaves in every run folder.
_RUN_FILES = ("preflight", "context", "command", "run_log", "result")


def evidence_unchanged(facts: Facts) -> Answer:
    """Return whether every file has the size and the digest that the manifest lists."""
    expected = "every file with the size and digest in the manifest"
    manifest = facts.evidence.manifest
    manifest.required()
    return by_faults(expected, facts.evidence.changed, "as recorded", manifest.path)


def evidence_verified(facts: Facts) -> Answer:
    """Return whether the copy was compared with the workstation, digest by digest."""
    manifest = facts.evidence.manifest
    verified = manifest.members.get("verified") is True
    observed = "compared" if verified else "never compared: closed with --no-sync"
    return Answer(verified, "digests of both sides compared", observed, manifest.path)


def run_files_present(facts: Facts) -> Answer:
    """Return whether the launcher's files are all among the evidence."""
    paths = [facts.run_paths.path(name) for name in _RUN_FILES]
    names = [facts.run_paths.relative(path) for path in paths]
    return _all_present(facts, "preflight, context, command, log and result", names)


def report_files_present(facts: Facts) -> Answer:
    """Return whether the gate report is there for programs and for readers."""
    expected = "the gate report as JSON and as Markdown"
    if facts.run_paths.gate is None:
        return Answer(False, expected, "no gate report belongs to this run", None)
    artifact = ARTIFACTS["production_gates_report"]
    folder = facts.run_paths.relative(facts.run_paths.folder(artifact.home))
    return _all_present(facts, expected, [f"{folder}/{file}" for file in artifact.files])


def _all_present(facts: Facts, expected: str, paths: list[str]) -> Answer:
    missing = [path for path in paths if path not in facts.evidence.present]
    faults = [f"{path} is not among the evidence" for path in missing]
    first = (missing or paths)[0]
    return by_faults(expected, faults, "all there", first)


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
