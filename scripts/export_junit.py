"""Write the checks of a closed run's audit as JUnit XML, for Jenkins, GitLab and dashboards.

Reads  governance_audit_check.json of the run, compared with its record
Writes stdout; with --out a file outside of audit/ and gate_results/: a new one, or one that this
       script wrote before
Each family of checks is a test suite, and each check a test case of the class <run>.<family>. What
did not pass is a failure, what could not run an error, and what was not asked, because a check that
it requires did not pass, is skipped; each says what was expected and what was observed. Of several
runs of a tag the newest is meant.
Exit codes: 0 written, whatever the audit says; 2 usage, 3 no such closed run or no room, 4 the
audit is not as it was recorded, 5 it is not clear which run is meant.

    python scripts/export_junit.py --tag committee_2026-02-21_run4 --out checks.xml
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which run, and where to."""
    parser.add_argument("--tag", required=True, help="the run's decision tag, exactly")
    out = "the file to write (default: print)"
    parser.add_argument("--out", type=flags.path, metavar="FILE", help=out)


FLAGS = flags.ScriptFlags(__doc__, add_flags, flags.add_root)
FLAGS.answer_help(__name__)

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from postrun import ending
from postrun.core import disk, run_names, terminal
from postrun.core.request import RunRequest
from postrun.core.values import Json
from postrun.decide import check_results
from postrun.decide.check_results import ERROR, FAIL, PASS, SKIPPED
from postrun.store import documents, outside_files, records, run_lookup

ARTIFACT = "governance_audit_check"
# What JUnit calls an answer: the element in a test case, and the count of a suite.
_ELEMENTS = {FAIL: "failure", ERROR: "error", SKIPPED: "skipped"}
_COUNTS = {"failures": FAIL, "errors": ERROR, "skipped": SKIPPED}
_NAME = "audit of "
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# A file that begins like this was written here.
BEGINNING = f'{_DECLARATION}<testsuites name="{_NAME}'.encode()
# XML 1.0 has no character for these, not even escaped.
_NO_CHARACTERS = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


def encode(audit: Json) -> bytes:
    """Return an audit as JUnit XML."""
    run = audit["run_folder"]
    checks = audit["checks"]
    counts = _counts(checks)
    # The schema of Jenkins has no place for the number of skipped checks of all suites.
    del counts["skipped"]
    root = Element("testsuites", {"name": f"{_NAME}{run}", **counts})
    families = dict.fromkeys(check["family"] for check in checks)
    for family in families:
        of_family = [check for check in checks if check["family"] == family]
        attributes = {
            "name": family,
            "timestamp": audit["generated_at"],
            **_counts(of_family),
        }
        suite = SubElement(root, "testsuite", attributes)
        _add_properties(suite, audit)
        for check in of_family:
            _add_case(suite, f"{run}.{family}", check)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f"{_DECLARATION}{text}\n".encode()


def _counts(checks: check_results.Rows) -> dict[str, str]:
    """Return how many checks have which answer, as attributes."""
    answers = Counter(check["answer"] for check in checks)
    counts = {"tests": str(len(checks))}
    for name, answer in _COUNTS.items():
        counts[name] = str(answers[answer])
    return counts


def _add_properties(suite: Element, audit: Json) -> None:
    """Add what is known of the run: its tag, factor and owner."""
    properties = SubElement(suite, "properties")
    for name in ("decision_tag", "factor", "owner"):
        if audit[name] is not None:
            value = _safe(audit[name])
            SubElement(properties, "property", name=name, value=value)


def _add_case(suite: Element, class_name: str, check: Json) -> None:
    """Add a check. The run is in its class: of two cases of one name, GitLab shows one."""
    case = SubElement(suite, "testcase", name=check["id"], classname=class_name)
    answer = check["answer"]
    if answer == PASS:
        return
    expected = check["expected"]
    observed = check["observed"]
    evidence = check["evidence"] or "none"
    message = f"expected {expected}, observed {observed}"
    element = SubElement(
        case,
        _ELEMENTS[answer],
        message=_safe(message),
        type=check["severity"],
    )
    lines = [
        check["question"],
        f"expected: {expected}",
        f"observed: {observed}",
        f"file: {evidence}",
    ]
    element.text = "\n".join(map(_safe, lines))


def _safe(text: str) -> str:
    """Return text on one line that XML can hold: other characters are shown as escapes."""
    return terminal.plain(text).translate(_NO_CHARACTERS)


def export(root: Path, tag: str, out: Path | None) -> int:
    """Write the checks of a run; return 0. Raises PostRunError."""
    run_names.check_tag(tag)
    request = RunRequest(root, tag=tag)
    ending.REQUEST.set(request)
    if out is not None:
        outside_files.check_replaced(root, out, "--out", BEGINNING)
    run_paths = run_lookup.locate(request)
    audit = documents.read(run_paths, ARTIFACT, records.CLOSE)
    content = encode(audit)
    if out is None:
        sys.stdout.write(content.decode())
        return 0
    # Also when it is the same: Jenkins refuses a report that is older than its build.
    disk.overwrite(out, content)
    summary = check_results.summary(audit["checks"])
    terminal.say(f"wrote {out}: {summary} of {run_paths.run}")
    return 0


def main(argv: flags.Argv = None) -> int:
    """Write the checks of one run as JUnit XML."""

    def work() -> int:
        args = FLAGS.parse(argv)
        root = args.local_root.resolve()
        return export(root, args.tag, args.out)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
