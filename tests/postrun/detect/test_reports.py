"""Which gate report is the run's own, over listings made here."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from postrun.core.errors import AmbiguousRun, Missing
from postrun.core.run_names import RunName
from postrun.decide.report_window import Window
from postrun.detect import reports
from postrun.detect.runs import ChosenRun
from postrun.remote.answers import RemoteFile, RemoteListing, ReportListing

TAG = "run1"
GATE = "production_gates_2026-02-21_031700"
PATH = f"gate_results/{GATE}/production_gates_report.json"
BEGAN = datetime.fromisoformat("2026-02-21T03:15:00")
ENDED = datetime.fromisoformat("2026-02-21T05:15:30")
WINDOW = Window(BEGAN, ENDED, timedelta(hours=-7), timedelta(seconds=2))


def report(generated_at: Any = "2026-02-21T05:15:00", tag: Any = TAG, key: str = "inputs") -> bytes:
    document = {"generated_at": generated_at, key: {"decision_tag": tag}}
    return json.dumps(document).encode()


def candidates(**contents: bytes | None) -> list[dict[str, Any]]:
    """Return the rows of reports by the time in their folder's name, as `d21_031700`."""
    files = {}
    for stamp, content in contents.items():
        gate = f"production_gates_2026-02-{stamp.removeprefix('d')}"
        path = f"gate_results/{gate}/production_gates_report.json"
        files[path] = RemoteFile(path, 17825793, 0.0, content)
    return reports.list_candidates(ReportListing(files, {}), run(), WINDOW)


def run() -> ChosenRun:
    name = RunName("2026-02-21_031500_production_gates_run1", "2026-02-21_031500", TAG)
    return ChosenRun(name, TAG, [name.folder])


@pytest.mark.parametrize(
    ("content", "objection"),
    [
        (report(), None),
        (report(key="args"), None),  # as older reports have it
        (report("2026-02-21T08:00:00"), "after the run had ended (2026-02-21T05:15:30)"),
        (report("2026-02-20T08:00:00"), "before the run began (2026-02-21T03:15:00)"),
        (report(tag="other"), "its inputs name tag 'other'"),
        (report(tag="run10"), "its inputs name tag 'run10'"),
        (report(tag=["run1"]), "its inputs name no tag"),
        (report(generated_at=None), "generated_at is no time: None"),
        (b'{"inputs": {"decision_tag": "run1"', "expected a JSON document"),
        (b'{"inputs": ["run1"], "generated_at": "x"}', "its inputs name no tag"),
        (b'["run1"]', "its inputs name no tag"),
        (report()[:-1] + b', "beta": NaN}', None),
        (None, "a report that can be read, found 17825793 bytes more than can be read"),
        (report(tag=""), "its inputs name an empty tag"),
    ],
)
def test_a_report_belongs_to_the_run_or_says_why_not(
    content: bytes | None, objection: str | None
) -> None:
    [row] = candidates(d21_031700=content)
    assert row["belongs"] is (objection is None)
    assert row["gate_folder"] == GATE
    if objection is None:
        assert row["objection"] is None
    else:
        assert objection in row["objection"]


@pytest.mark.parametrize(
    ("seconds", "belongs"),
    [(-3, False), (-2, True), (0, True), (7200, True), (7232, True), (7233, False)],
)
def test_the_window_has_two_seconds_of_slack(seconds: int, belongs: bool) -> None:
    written = (BEGAN + timedelta(seconds=seconds)).isoformat()
    [row] = candidates(d21_031700=report(written))
    assert row["belongs"] is belongs


def test_of_several_the_newest_of_this_run_counts() -> None:
    rows = candidates(
        d20_060000=report("2026-02-20T08:00:00"),
        d21_031700=report("2026-02-21T05:15:00"),
        d21_041500=report("2026-02-21T05:15:10"),
        d21_060000=report("2026-02-21T08:00:00"),
    )
    chosen_run = run()
    gate = "production_gates_2026-02-21_041500"
    assert reports.choose(rows, None, chosen_run) == (rows[2], "the newest report of this run")
    assert rows[2]["gate_folder"] == gate
    assert chosen_run.notes == ["2 reports belong to this run; the newest counts"]
    assert reports.choose(rows[1:2], None, run()) == (rows[1], "the only report of this run")
    with pytest.raises(AmbiguousRun, match="name it: --report-json-remote"):
        reports.choose(rows, None, run(), is_end_known=False)


def test_a_run_without_a_report_of_its_own_names_the_others() -> None:
    assert reports.choose([], None, run()) == (None, "no report belongs to this run")
    rows = candidates(d21_031700=report(tag="other"))
    reason = f"no report belongs to this run; {PATH}: its inputs name tag 'other'"
    assert reports.choose(rows, None, run()) == (None, reason)


def test_a_report_that_is_asked_for_is_taken_and_contradicts_when_it_is_another_runs() -> None:
    rows = candidates(d21_031700=report("2026-02-20T08:00:00"))
    chosen_run = run()
    assert reports.choose(rows, PATH, chosen_run) == (rows[0], "it was asked for")
    [contradiction] = chosen_run.contradictions
    assert contradiction.startswith(f"report {GATE} was asked for, but made at 2026-02-20T08:00:00")
    with pytest.raises(Missing, match=f"gate_results/{GATE}/production_gates_report.json on the"):
        reports.choose([], PATH, run())


# --- what is there and cannot be used


@pytest.mark.parametrize(
    ("stamp", "content", "unusable"),
    [
        ("d21_031700", report()[:-10], True),
        ("d21_031700", b"", True),
        ("d21_031700", None, True),
        ("d21_031700", report(tag="other")[:-1], False),  # what is left names another tag
        ("d20_031700", report()[:-10], False),  # its folder is of the day before
        ("d21_080000", None, False),  # and its of hours later
    ],
)
def test_what_cannot_be_read_may_be_this_runs(
    stamp: str, content: bytes | None, unusable: bool
) -> None:
    [row] = candidates(**{stamp: content})
    assert (row["belongs"], row["readable"], row["unusable"]) == (False, False, unusable)


def test_a_folder_that_cannot_be_read_is_a_row() -> None:
    other = "production_gates_2026-02-20_031700"
    unusable = {
        "gate_results": "a folder that this account may not list",
        f"gate_results/{GATE}": "a folder that this account may not enter",
        f"gate_results/{other}": "a folder that this account may not enter",
        "audit/workstation_runs/x": "a folder that this account may not enter",
    }
    rows = reports.list_candidates(ReportListing({}, unusable), run(), WINDOW)
    assert [(row["report"], row["unusable"]) for row in rows] == [
        ("gate_results", True),
        (f"gate_results/{other}", False),
        (f"gate_results/{GATE}", True),
    ]


def test_a_report_that_is_asked_for_and_cannot_be_read_is_not_taken() -> None:
    rows = candidates(d20_031700=report()[:-10])
    path = PATH.replace("21_", "20_")
    assert reports.choose(rows, path, run()) == (
        None,
        f"{path} was asked for, and cannot be read",
    )
    assert rows[0]["unusable"]


@pytest.mark.parametrize(
    ("command", "folders"),
    [
        (None, ["gate_results"]),
        ("python g.py --out-dir gate_results/", ["gate_results"]),
        ("python g.py --out-dir=./gate_results/desk", ["gate_results/desk", "gate_results"]),
        ("python g.py --out-dir $'out/\\303\\244'", ["out/ä", "gate_results"]),
        ("python g.py --out-dir /srv/quant/out", ["out", "gate_results"]),
        ("python g.py --out-dir /srv/quantum/out", ["/srv/quantum/out", "gate_results"]),
    ],
)
def test_reports_are_looked_for_where_the_command_says(
    command: str | None, folders: list[str]
) -> None:
    chosen_run = run()
    contents = {"preflight.json": b'{"root_dir": "/srv/quant"}'}
    if command:
        contents["command.sh"] = command.encode()
    files = {}
    for name, content in contents.items():
        path = f"audit/workstation_runs/{chosen_run.folder}/{name}"
        files[path] = RemoteFile(path, len(content), 0.0, content)
    listing = RemoteListing(None, (), (), (), files, {})
    assert reports.folders_to_search(listing, chosen_run) == folders


def test_an_absolute_folder_is_one_of_the_root_or_outside() -> None:
    places = {"/mnt/root/out": "/data/root/out", "gate_results": "/data/root/gate_results"}
    seen = ReportListing({}, {}, places=places, root="/data/root")
    assert reports.relative_folders(seen) == ["out", "gate_results"]
    outside = f"/elsewhere/{GATE}/production_gates_report.json"
    files = {outside: RemoteFile(outside, 9, 0.0, report())}
    [row] = reports.list_candidates(ReportListing(files, {}), run(), WINDOW)
    assert (row["unusable"], row["objection"]) == (True, "outside of the root")


def test_a_report_in_the_runs_own_folder_is_no_second_one_elsewhere() -> None:
    copied = candidates(d21_031700=report())
    path = PATH.replace("gate_results", "gate_results/desk")
    files = {path: RemoteFile(path, 9, 0.0, report())}
    own = reports.list_candidates(ReportListing(files, {}), run(), WINDOW)
    assert reports.merge(copied, own, "gate_results/desk") == own
    assert reports.merge(copied, [], "gate_results/desk") == copied
