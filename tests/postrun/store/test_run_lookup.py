"""Which run an order means, however it is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import AmbiguousRun, Invalid, Missing, Usage
from postrun.core.request import RunRequest
from postrun.store import run_lookup

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/run_detection/valid/one_report.json"
RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"
RUNS = "audit/workstation_runs"
REPORT = f"gate_results/{GATE}/production_gates_report.json"
OTHER_RUN, OTHER_GATE = RUN.replace("21", "22"), GATE.replace("21", "22")


def detected(root: Path, run: str, gate: str | None = GATE) -> None:
    document = json.loads(EXAMPLE.read_text())
    document.update(run_folder=run, run_folders=[run], gate_folder=gate, report_candidates=[])
    folder = root / "audit/workstation_runs" / run
    folder.mkdir(parents=True)
    (folder / "run_detection.json").write_text(json.dumps(document))


def test_a_tag_is_matched_exactly(local: Path) -> None:
    for number, tag in enumerate(
        ("run1", "run10", "run1_rerun4", "a_run1", "x_production_gates_run1")
    ):
        detected(local, f"2026-02-2{number}_010101_production_gates_{tag}")
    place = run_lookup.locate(RunRequest(local, tag="run1"))
    assert (place.run, place.gate) == ("2026-02-20_010101_production_gates_run1", GATE)


def test_of_several_runs_the_newest_detected_one_counts(local: Path) -> None:
    detected(local, "2026-02-30_010101_production_gates_run1")
    (local / "audit/workstation_runs/2026-02-29_010101_production_gates_run1").mkdir()
    (local / "audit/workstation_runs/2026-02-28_010101_production_gates_run1").mkdir()
    newest = 0
    for day in (
        5,
        3,
        9,
        1,
        12,
        7,
        20,
        11,
        2,
        25,
        17,
    ):  # many, as a disk lists its folders in an order of its own
        detected(local, f"2026-02-{day:02}_010101_production_gates_run1")
        newest = max(newest, day)
        assert (
            run_lookup.locate(RunRequest(local, tag="run1")).run
            == f"2026-02-{newest:02}_010101_production_gates_run1"
        )


def test_a_detected_run_with_a_context_goes_before_any_without(local: Path) -> None:
    for day, begun in ((20, False), (21, True), (22, False)):
        run = f"2026-02-{day}_010101_production_gates_run1"
        detected(local, run)
        path = local / "audit/workstation_runs" / run / "run_detection.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "has_context": begun}))
        before = {20: 20, 21: 21, 22: 21}[day]
        assert (
            run_lookup.locate(RunRequest(local, tag="run1")).run
            == f"2026-02-{before}_010101_production_gates_run1"
        )


def test_a_run_that_nobody_detected_is_missing(local: Path) -> None:
    detected(local, "2026-02-20_010101_production_gates_run10")
    with pytest.raises(
        Missing, match=r"run run1: expected a detected run in .*, found none; .*make finalize"
    ):
        run_lookup.locate(RunRequest(local, tag="run1"))
    with pytest.raises(Missing, match=r"run_detection\.json"):
        run_lookup.locate(RunRequest(local, run_dir_remote=f"{RUNS}/{RUN}"))


def test_half_a_detection_is_refused(local: Path) -> None:
    detected(local, RUN)
    (local / "audit/workstation_runs" / RUN / "run_detection.json").write_text('{"run_folder": ')
    with pytest.raises(Invalid, match=r"run_detection\.json"):
        run_lookup.locate(RunRequest(local, tag="run1"))


def test_a_run_without_a_report_has_no_gate_folder(local: Path) -> None:
    detected(local, RUN, gate=None)
    assert run_lookup.locate(RunRequest(local, tag="run1")).gate is None


def test_paths_name_the_run_whatever_the_tag(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detected(local, RUN)
    monkeypatch.chdir(local / "audit")
    assert (
        run_lookup.locate(
            RunRequest(local, run_dir=Path("workstation_runs") / RUN, tag="other")
        ).run
        == RUN
    )
    assert run_lookup.locate(RunRequest(local, run_dir_remote=f"{RUNS}/{RUN}/")).run == RUN
    (local / "linked").symlink_to(local / "audit/workstation_runs" / RUN)
    assert run_lookup.locate(RunRequest(local, run_dir=local / "linked")).run == RUN


def test_a_report_names_the_gate_folder_before_the_detection(local: Path) -> None:
    detected(local, RUN)
    other = local / "gate_results/production_gates_2026-02-22_000000/production_gates_report.json"
    assert (
        run_lookup.locate(RunRequest(local, tag="run1", report_json=other)).gate
        == other.parent.name
    )


@pytest.mark.parametrize(
    "outside",
    ["", "elsewhere/RUN", "audit/workstation_runs/RUN/deeper", "audit/workstation_runs/.."],
)
def test_a_run_folder_outside_the_workspace_is_refused(local: Path, outside: str) -> None:
    with pytest.raises(Usage, match=r"^--run-dir: expected a folder directly below .*--local-root"):
        run_lookup.locate(RunRequest(local, run_dir=local / outside.replace("RUN", RUN)))


def test_a_report_outside_the_workspace_is_refused(local: Path) -> None:
    detected(local, RUN)
    with pytest.raises(Usage, match=r"^--report-json: expected a folder directly below"):
        run_lookup.locate(RunRequest(local, tag="run1", report_json=local / "gate_results/x.json"))


def test_a_folder_that_is_no_run_is_unclear(local: Path) -> None:
    with pytest.raises(AmbiguousRun, match="'notes': expected a name like"):
        run_lookup.locate(RunRequest(local, run_dir=local / "audit/workstation_runs/notes"))


@pytest.mark.parametrize(
    "named",
    [
        {"run_dir_remote": f"{RUNS}/{RUN}", "report_json_remote": REPORT},
        {"run_dir_remote": f"./{RUNS}/{RUN}/", "report_json_remote": f"./{REPORT}"},
        {"run_dir": Path("anywhere") / RUN, "report_json": Path(REPORT)},
        {"run_dir": Path(RUN), "run_dir_remote": f"{RUNS}/{RUN}", "report_json": Path(REPORT)},
        {"run_dir": Path(RUN), "report_json": Path(REPORT), "report_json_remote": REPORT},
    ],
)
def test_folders_may_be_named_here_there_or_both(local: Path, named: dict[str, Any]) -> None:
    request = RunRequest(local, **named)
    assert (
        run_lookup.requested_run(request),
        run_lookup.requested_gate(request),
        run_lookup.requested_tag(request),
    ) == (
        RUN,
        GATE,
        "run1",
    )


def test_a_tag_alone_names_no_folder(local: Path) -> None:
    request = RunRequest(local, tag="run1")
    assert (
        run_lookup.requested_run(request),
        run_lookup.requested_gate(request),
        run_lookup.requested_tag(request),
    ) == (
        None,
        None,
        "run1",
    )


def test_a_tag_goes_before_the_folders(local: Path) -> None:
    assert (
        run_lookup.requested_tag(RunRequest(local, tag="run2", run_dir_remote=f"{RUNS}/{RUN}"))
        == "run2"
    ), "the audit names it"


def test_two_flags_must_not_name_two_folders(local: Path) -> None:
    two = RunRequest(local, run_dir=local / RUNS / RUN, run_dir_remote=f"{RUNS}/{OTHER_RUN}")
    for ask in (run_lookup.requested_run, run_lookup.requested_tag, run_lookup.locate):
        with pytest.raises(Usage) as caught:
            ask(two)
        expected = (
            f"--run-dir: expected the folder that --run-dir-remote names, {OTHER_RUN}, found {RUN}"
        )
        assert str(caught.value) == expected
    reports = RunRequest(
        local, report_json=Path(REPORT), report_json_remote=REPORT.replace(GATE, OTHER_GATE)
    )
    with pytest.raises(
        Usage, match=r"^--report-json: expected the folder that --report-json-remote names"
    ):
        run_lookup.requested_gate(reports)


@pytest.mark.parametrize(
    "path", ["", "x", "/etc", RUN, f"/{RUNS}/{RUN}", f"{RUNS}/", f"{RUNS}/..", f"{RUNS}/a/b"]
)
def test_a_remote_folder_outside_its_home_is_refused(local: Path, path: str) -> None:
    request = RunRequest(local, run_dir_remote=path)
    with pytest.raises(
        Usage, match=r"^--run-dir-remote: expected audit/workstation_runs/<folder>, relative to"
    ):
        run_lookup.requested_run(request)


@pytest.mark.parametrize(
    "name",
    [
        "notes",
        f"{RUN}\n",
        f"{RUN} x",
        f"{RUN}*",
        f"{RUN};x",
        "2026-02-30_031500_production_gates_run1",
    ],
)
def test_a_remote_folder_that_is_no_run_is_unclear(local: Path, name: str) -> None:
    with pytest.raises(AmbiguousRun, match="expected a name like"):
        run_lookup.requested_run(RunRequest(local, run_dir_remote=f"{RUNS}/{name}"))


@pytest.mark.parametrize(
    "name", ["x", "production_gates_today", "production_gates_2026-02-30_031700"]
)
def test_a_report_in_a_folder_that_is_no_gate_folder_is_unclear(local: Path, name: str) -> None:
    with pytest.raises(AmbiguousRun, match="expected a name like production_gates_<time>"):
        run_lookup.requested_gate(RunRequest(local, report_json_remote=REPORT.replace(GATE, name)))
