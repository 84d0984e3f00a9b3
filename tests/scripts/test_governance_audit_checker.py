"""The audit: one run for every check that fails exactly there, and every way in which evidence can
be odd.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import finalize_gate_run
import governance_audit_checker as checker
import post_run_sync_and_finalize as conductor
from harness import arrival, factory, spoiled
from harness.factory import Documents
from harness.golden import Golden
from harness.workspace import location_flags
from postrun import audit
from postrun.audit import observe
from postrun.audit.answers import Answer
from postrun.audit.facts import Facts
from postrun.core import locations
from postrun.core.errors import Invalid
from postrun.core.request import RunRequest
from postrun.store import check_catalogue, json_files, run_lookup

Change = Callable[[Documents], object]


@dataclass
class Closed:
    """A run that was brought home and finalized; the audit comes next."""

    remote: Path
    local: Path
    made: Documents

    @property
    def run(self) -> Path:
        return self.made.run_dir(self.local)

    @property
    def gate(self) -> Path:
        return self.made.gate_dir(self.local)

    def audit(self, *flags: str) -> int:
        return checker.main(["--tag", self.made.tag, "--local-root", str(self.local), *flags])

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            (self.run / "governance_audit_check.json").read_text()
        )
        return document

    def answers(self, *wanted: str) -> set[str]:
        return {row["id"] for row in self.document()["checks"] if row["answer"] in wanted}

    def row(self, check: str) -> dict[str, Any]:
        (row,) = [row for row in self.document()["checks"] if row["id"] == check]
        return dict(row)


@dataclass
class Spoil:
    """How a run goes wrong: in its documents, on the workstation, by flags, or at home after it was
    finalized.
    """

    check: str
    documents: Change = bool  # which changes nothing
    remote: Callable[[Closed], object] = bool
    local: Callable[[Closed], object] = bool
    flags: tuple[str, ...] = ()
    skips: frozenset[str] = frozenset()
    synced: bool = False


@pytest.fixture
def close(remote: Path, local: Path) -> Callable[..., Closed]:
    """Return a function that makes a run, spoils it, and closes it up to the audit."""

    def build(spoil: Spoil | None = None) -> Closed:
        spoil = spoil or Spoil("")
        if spoil.flags or spoil.synced:
            closed = synced(remote, local, spoil)
        else:
            closed = arrived(local, spoil)
        spoil.local(closed)
        return closed

    return build


def arrived(local: Path, spoil: Spoil) -> Closed:
    """Finalize a run that is in the workspace already."""
    closed = Closed(local, local, factory.make_run(local, change=spoil.documents, **spoiled.OWN))
    spoil.remote(closed)
    arrival.arrive(local, closed.made)
    code = finalize_gate_run.main(["--tag", closed.made.tag, "--local-root", str(local)])
    assert code in (0, 4), "a broken report may be refused"
    return closed


def synced(remote: Path, local: Path, spoil: Spoil) -> Closed:
    """Detect, sync and finalize a run of the workstation."""
    home = local if "--no-sync" in spoil.flags else remote
    closed = Closed(remote, local, factory.make_run(home, change=spoil.documents, **spoiled.OWN))
    spoil.remote(closed)
    where = location_flags(remote, local)
    flags = [flag.format(gate=closed.made.gate_folder) for flag in spoil.flags]
    code = conductor.main(["--tag", closed.made.tag, *where, "--to", "finalize-gate-run", *flags])
    assert code == 0, "identity and evidence are in order"
    return closed


def put(document: str, *path: Any, **values: Any) -> Change:
    """Change members of a document of the run."""

    def change(made: Documents) -> None:
        found = getattr(made, document)
        for step in path:
            found = found[step]
        found.update(values)

    return change


def drop(folder: str, pattern: str) -> Callable[[Closed], object]:
    """Take files away on the workstation."""

    def change(closed: Closed) -> None:
        home = (closed.made.run_dir if folder == "run" else closed.made.gate_dir)(closed.remote)
        (found,) = home.glob(pattern)
        found.unlink()

    return change


def lose_a_window(made: Documents) -> None:
    made.windows.pop(3)
    made.report["wf_stress"].update(rows=len(made.windows), **factory.summarise(made.windows))


def empty_windows(count: int) -> Change:
    """Return a change by which some windows have no test IC, and the statistics say so."""

    def change(made: Documents) -> None:
        for row in made.windows[:count]:
            row["test_ic"] = None
        made.report["wf_stress"].update(factory.summarise(made.windows))

    return change


def repeat_one_window(made: Documents) -> None:
    for row in made.windows:
        row["test_ic"] = 0.001
    made.report["wf_stress"].update(factory.summarise(made.windows))


def change_a_date(made: Documents) -> None:
    made.dates = factory.dates(made.windows)
    made.dates[5]["ic"] += 1e-7


def lose_the_ledger(closed: Closed) -> None:
    (closed.local / "audit/stage_ledger.jsonl").unlink()
    (closed.local / "docs/production_research/STAGE_AUDIT_LOG.md").unlink()


def edit_the_ledger(closed: Closed) -> None:
    path = closed.local / "audit/stage_ledger.jsonl"
    path.write_text(path.read_text().replace('"owner": "hui"', '"owner": "eve"'))


def quote_the_notes(made: Documents) -> None:
    made.context = json.dumps(made.context).replace("does momentum", 'does "momentum')


def write_to(name: str, text: str) -> Callable[[Closed], object]:
    def change(closed: Closed) -> None:
        with (closed.run / name).open("a") as out:
            out.write(text)

    return change


def an_earlier_run(closed: Closed) -> None:
    factory.make_run(closed.remote, tag=closed.made.tag, stamp="2026-02-19_031500")


DATA_QUALITY = frozenset({"data_quality_ran", "data_quality_report_found", "data_quality_passed"})
REPORT_OF = "gate_results/{gate}/production_gates_report.json"
SPOILS = [
    Spoil(
        "evidence_unchanged", local=write_to("run.log", "x"), skips=frozenset({"evidence_verified"})
    ),
    Spoil("evidence_verified", flags=("--no-sync",)),
    Spoil("run_files_present", remote=drop("run", "run.log")),
    Spoil("context_readable", quote_the_notes),
    Spoil("report_files_present", remote=drop("gate", "production_gates_report.md")),
    Spoil(
        "final_summary_present",
        local=lambda closed: (closed.gate / "production_gates_final_summary.md").unlink(),
    ),
    Spoil("preflight_passed", put("preflight", status="fail", reasons=["cores 4 < 8"])),
    Spoil("exit_code_zero", put("result", exit_code=3)),
    Spoil(
        "no_stage_skipped",
        put("report", "inputs", skip_guardrails=True),
        skips=frozenset({"statistics_recomputed", "statistics_table_recomputed"}),
    ),
    Spoil("not_a_dry_run", put("report", "inputs", dry_run=True)),
    Spoil("stages_succeeded", put("report", "risk_diagnostics", return_code=1)),
    Spoil(
        "data_quality_ran",
        put("context", skip_data_quality_check=1),
        skips=DATA_QUALITY - {"data_quality_ran"},
    ),
    Spoil(
        "data_quality_report_found",
        lambda made: setattr(made, "data_quality", None),
        skips=frozenset({"data_quality_passed"}),
    ),
    Spoil("data_quality_passed", put("data_quality", "checks", freshness=False)),
    Spoil("tags_agree", put("result", decision_tag="committee_2026-02-21_run5")),
    Spoil("tag_used_once", remote=an_earlier_run, synced=True),
    Spoil(
        "report_belongs_to_run",
        put("report", generated_at="2026-02-20T05:15:00"),
        flags=("--report-json-remote", REPORT_OF),
    ),
    Spoil(
        "overall_pass_boolean",
        put("report", "gates", overall_pass="true"),
        skips=frozenset({"gates_recomputed"}),
    ),
    Spoil("gates_recomputed", put("report", "gates", overall_pass=False)),
    Spoil(
        "walk_forward_recomputed",
        put("report", "wf_stress", test_ic_std=0.0057),
        skips=frozenset({"windows_vary", "ic_by_date_agrees"}),
    ),
    Spoil("walk_forward_windows_complete", lose_a_window, skips=frozenset({"windows_measured"})),
    Spoil("cost_rows_recomputed", put("report", "cost_stress", 0, train_ic=0.5)),
    Spoil(
        "statistics_recomputed",
        put("statistics", "focus", q_value_bh=0.3),
        skips=frozenset({"statistics_table_recomputed"}),
    ),
    Spoil("windows_measured", empty_windows(2)),
    Spoil("thresholds_not_weakened", put("report", "inputs", stat_alpha=0.25)),
    Spoil("values_plausible", put("report", "risk_diagnostics", industry_coverage=42)),
    Spoil("statistics_table_recomputed", put("significance", 0, q_value_bh=0.9)),
    Spoil("windows_vary", repeat_one_window),
    Spoil("ic_by_date_agrees", change_a_date),
    Spoil("ledger_chain_intact", local=edit_the_ledger, skips=frozenset({"ledger_row_present"})),
    Spoil("ledger_row_present", local=lose_the_ledger),
]


def test_a_run_in_order_passes_every_check(
    close: Callable[..., Closed], capsys: pytest.CaptureFixture[str]
) -> None:
    closed = close()
    capsys.readouterr()
    assert closed.audit() == 0
    told = capsys.readouterr()
    assert told.err == f"governance-audit: all {len(audit.CHECKS)} checks passed\n"
    summary = closed.made.gate_dir(closed.local) / "production_gates_final_summary.md"
    assert told.out.splitlines() == [
        *(str(closed.run / f"governance_audit_check.{kind}") for kind in ("json", "md")),
        str(summary),
    ]
    document = closed.document()
    assert document["passed"] is True
    assert (document["factor"], document["owner"], document["not_finite"]) == (
        "momentum_12_1",
        "hui",
        [],
    )
    assert closed.answers("pass") == set(audit.CHECKS)


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.check)
def test_each_check_fails_alone(
    close: Callable[..., Closed], spoil: Spoil, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = close(spoil)
    assert closed.audit() == 1
    assert closed.answers("fail") == {spoil.check}
    assert closed.answers("skipped") == spoil.skips
    assert closed.answers("error") == set()
    assert f"): {spoil.check}" in capsys.readouterr().err
    found = closed.row(spoil.check)
    assert found["expected"] != found["observed"]
    assert found["evidence"] is None or not found["evidence"].startswith("/")


def test_a_quick_arrival_leaves_what_a_sync_leaves(
    close: Callable[..., Closed], tmp_path: Path
) -> None:
    """Most runs here are not synced; this one is, and differs in nothing that was written."""
    real = close(Spoil("", synced=True))
    workspace = tmp_path / "quick"
    workspace.mkdir()
    quick = arrived(workspace, Spoil(""))
    for name in ("run_detection.json", "evidence_manifest.json"):
        documents = [json.loads((closed.run / name).read_text()) for closed in (real, quick)]
        for document in documents:
            for member in ("generated_at", "report_candidates"):
                document.pop(member, None)
        assert documents[0] == documents[1]


def test_every_check_has_a_run_that_fails_it() -> None:
    """But for an unreadable report: that is refused by the step before, so that two more checks do
    not pass.
    """
    assert {spoil.check for spoil in SPOILS} | {"report_readable"} == set(audit.CHECKS)
    assert len(SPOILS) == len({spoil.check for spoil in SPOILS})


def test_an_unreadable_report_is_named(close: Callable[..., Closed]) -> None:
    closed = close(Spoil("report_readable", lambda made: made.report.update(risk_diagnostics=[1])))
    assert closed.audit() == 1
    assert closed.answers("fail") == {
        "report_readable",
        "final_summary_present",
        "ledger_row_present",
    }
    assert "risk_diagnostics" in closed.row("report_readable")["observed"]


def test_catalogue_and_code_have_the_same_checks_in_the_same_families() -> None:
    listed = {check.id: check.family for check in check_catalogue.checks().values()}
    assert listed == {
        ask.__name__: family for family, asks in audit.FAMILIES.items() for ask in asks
    }


def test_a_catalogue_that_does_not_match_the_code_is_refused() -> None:
    known = dict(check_catalogue.checks())
    lost = known.pop("exit_code_zero")
    for odd in (known, {**known, "exit_code_zero": lost, "moon_full": lost}):
        with pytest.raises(Invalid, match=r"exit_code_zero|moon_full"):
            checker.matched(odd)


def test_a_verdict_of_no_is_no_fault_of_the_record(remote: Path, local: Path) -> None:
    made = factory.make_run(remote, passing=False, tag="fails_honestly")
    flags = [
        "--tag",
        made.tag,
        *location_flags(remote, local),
    ]
    assert conductor.main(flags) == 0
    assert Closed(remote, local, made).answers("pass") == set(audit.CHECKS)


def test_a_run_without_a_report_is_audited_by_name(close: Callable[..., Closed]) -> None:
    closed = close(Spoil("", spoiled.crash))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"exit_code_zero", "report_files_present", "report_readable"}
    assert {"gates_recomputed", "walk_forward_recomputed"} <= closed.answers("skipped")
    document = closed.document()
    assert (document["gate_folder"], document["factor"]) == (None, "momentum_12_1")


@pytest.mark.parametrize(
    ("folder", "pattern", "fails"),
    [
        (
            "gate",
            "walk_forward_stress/mom*/*.csv",
            {"walk_forward_recomputed", "walk_forward_windows_complete"},
        ),
        ("gate", "statistical/*/*.csv", {"statistics_table_recomputed"}),
        ("gate", "cost_stress_results.csv", {"cost_rows_recomputed"}),
        ("gate", "statistical/*/*.json", {"statistics_recomputed"}),
        ("run", "preflight.json", {"run_files_present", "preflight_passed"}),
        ("run", "command.sh", {"run_files_present"}),
        ("run", "data_quality/*/*.json", {"data_quality_report_found"}),
    ],
)
def test_missing_evidence_fails(
    close: Callable[..., Closed], folder: str, pattern: str, fails: set[str]
) -> None:
    closed = close(Spoil("", remote=drop(folder, pattern)))
    assert closed.audit() == 1
    assert closed.answers("fail") == fails


def test_nan_is_reported_and_is_no_fault_when_the_gates_say_so(
    close: Callable[..., Closed],
) -> None:
    closed = close(Spoil("", spoiled.nan_beta))
    assert closed.audit() == 0
    (seen,) = closed.document()["not_finite"]
    assert seen == {
        "path": closed.row("report_readable")["evidence"],
        "where": "$.risk_diagnostics.beta_vs_spy",
        "value": "NaN",
    }
    assert (
        "`$.risk_diagnostics.beta_vs_spy`" in (closed.run / "governance_audit_check.md").read_text()
    )


def test_infinity_is_named_where_a_pass_rests_on_it(close: Callable[..., Closed]) -> None:
    """The gate program compares Infinity as a number: an overlap of Infinity is large enough."""

    def infinite(made: Documents) -> None:
        made.report["risk_diagnostics"]["turnover_top_pct_overlap"] = float("inf")
        made.report["cost_stress"][1]["test_ic"] = float("inf")
        made.report["wf_stress"]["test_ic_mean"] = float("inf")

    closed = close(Spoil("", infinite))
    assert closed.audit() == 1
    fault = "risk_gate_turnover_overlap: reported true, recomputed false from Infinity"
    observed = closed.row("gates_recomputed")["observed"]
    assert f"{fault} (not measured) and threshold 0.2" in observed
    assert observed.count("from Infinity (not measured)") == 3
    observed = closed.row("walk_forward_recomputed")["observed"]
    assert observed.startswith("test_ic_mean: reported Infinity, recomputed 0.0")
    page = (closed.run / "governance_audit_check.md").read_text()
    assert "`$.cost_stress[1].test_ic` is Infinity" in page
    page = (closed.gate / "production_gates_final_summary.md").read_text()
    assert "`$.cost_stress[1].test_ic` is Infinity in the gate report: not measured" in page


def test_infinity_in_a_table_is_named(close: Callable[..., Closed]) -> None:
    def infinite(made: Documents) -> None:
        made.windows[3]["test_ic"] = float("-inf")
        made.cost_rows[0]["test_ic"] = float("inf")

    closed = close(Spoil("", infinite))
    assert closed.audit() == 1
    seen = {row["where"]: row["value"] for row in closed.document()["not_finite"]}
    assert seen == {"$[3].test_ic": "-Infinity", "$[0].test_ic": "Infinity"}
    tables = [PurePosixPath(row["path"]).name for row in closed.document()["not_finite"]]
    assert tables == ["walk_forward_summary.csv", "cost_stress_results.csv"]


def test_a_data_quality_path_of_the_far_side_is_found_at_home(close: Callable[..., Closed]) -> None:
    def absolute(made: Documents) -> None:
        made.context["data_quality_report_json"] = (
            "/srv/quant/" + made.context["data_quality_report_json"]
        )

    assert close(Spoil("", absolute)).audit() == 0


@pytest.mark.parametrize(
    "named",
    [
        "",
        None,
        "/etc/passwd",
        "data_quality_report.json",
        "audit/workstation_runs/2026-01-01_000000_production_gates_other/data_quality/x/data_quality_report.json",
        "audit/workstation_runs/{run}",
        "audit/workstation_runs/{run}/../{run}/preflight.json",
        "audit/workstation_runs/{run}/data_quality/elsewhere/data_quality_report.json",
    ],
)
def test_a_data_quality_path_that_leads_nowhere_fails(
    close: Callable[..., Closed], named: str | None
) -> None:
    def change(made: Documents) -> None:
        made.context["data_quality_report_json"] = named and named.format(run=made.run_folder)

    closed = close(Spoil("", change))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"data_quality_report_found"}


def test_a_file_planted_after_the_sync_answers_nothing(close: Callable[..., Closed]) -> None:
    made = factory.documents()

    def plant(closed: Closed) -> None:
        folder = closed.run / f"data_quality/data_quality_{closed.made.stamp}"
        factory.put(folder / "data_quality_report.json", made.data_quality)

    closed = close(Spoil("", lambda made: setattr(made, "data_quality", None), local=plant))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"evidence_unchanged", "data_quality_report_found"}
    assert "(added)" in closed.row("evidence_unchanged")["observed"]


def test_a_report_that_points_at_a_shard_is_caught(close: Callable[..., Closed]) -> None:
    def point(made: Documents) -> None:
        path = (
            f"/srv/{made.gate_folder}/walk_forward_stress/shard_00/momentum_12_1/"
            f"walk_forward_summary.csv"
        )
        made.report["wf_stress"].update(
            factory.summarise(made.windows[::2]), rows=7, summary_csv=path
        )

    closed = close(Spoil("", point))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"walk_forward_windows_complete"}


def test_a_table_that_is_no_table_fails_with_its_line(close: Callable[..., Closed]) -> None:
    closed = close(Spoil("", lambda made: made.windows[2].update(test_ic="n/a")))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"walk_forward_recomputed", "walk_forward_windows_complete"}
    observed = closed.row("walk_forward_recomputed")["observed"]
    assert "test_ic" in observed
    assert str(closed.local) not in observed


@pytest.mark.parametrize(
    ("document", "path", "values", "check"),
    [
        ("report", ("gates",), {"overall_pass": None}, "overall_pass_boolean"),
        ("report", ("inputs",), {"skip_risk_diagnostics": "false"}, "no_stage_skipped"),
        ("report", ("wf_stress",), {"ok": False, "reason": "a shard died"}, "stages_succeeded"),
        ("report", ("cost_stress", 1), {"return_code": None}, "stages_succeeded"),
        ("report", ("wf_stress",), {"return_code": False}, "stages_succeeded"),
        ("report", ("wf_stress",), {"ok": None}, "stages_succeeded"),
        ("report", ("wf_stress",), {"test_ic_mean": "0.02"}, "walk_forward_recomputed"),
        ("report", ("inputs",), {"wf_end_year": None}, "walk_forward_windows_complete"),
        ("report", ("inputs",), {"cost_multipliers": "1.0,1.5,2.0,3.0"}, "cost_rows_recomputed"),
        ("report", ("inputs",), {"cost_multipliers": "cheap"}, "cost_rows_recomputed"),
        ("report", ("inputs",), {"factor": "value"}, "statistics_recomputed"),
        ("context", (), {"skip_data_quality_check": None}, "data_quality_ran"),
        ("data_quality", (), {"overall_pass": "true"}, "data_quality_passed"),
        ("data_quality", (), {"failures": ["stale"]}, "data_quality_passed"),
        ("data_quality", (), {"checks": {}}, "data_quality_passed"),
        ("preflight", (), {"status": None, "reasons": "none"}, "preflight_passed"),
    ],
)
def test_odd_values_are_a_no_and_never_a_crash(
    close: Callable[..., Closed],
    document: str,
    path: tuple[Any, ...],
    values: dict[str, Any],
    check: str,
) -> None:
    closed = close(Spoil("", put(document, *path, **values)))
    assert closed.audit() == 1
    assert check in closed.answers("fail")
    assert closed.answers("error") == set()


def test_a_report_in_a_folder_older_than_the_run_is_not_its_own(
    close: Callable[..., Closed],
) -> None:
    def older(made: Documents) -> None:
        made.gate_stamp, before = "2026-02-21_041457", made.gate_stamp
        for section, name in (
            (made.report["wf_stress"], "summary_csv"),
            (made.report["statistical_gates"], "report_json"),
            (made.statistics, "table_csv"),
        ):
            section[name] = section[name].replace(before, made.gate_stamp)

    closed = close(Spoil("", older, flags=("--report-json-remote", REPORT_OF)))
    assert closed.audit() == 1
    assert closed.answers("fail") == {"report_belongs_to_run"}
    assert "its folder was made at" in closed.row("report_belongs_to_run")["observed"]


def test_a_tag_on_the_command_line_that_is_not_the_runs_fails(close: Callable[..., Closed]) -> None:
    closed = close()
    code = checker.main(
        ["--run-dir", str(closed.run), "--tag", "run9", "--local-root", str(closed.local)]
    )
    assert code == 1
    assert closed.answers("fail") == {"tags_agree"}
    assert closed.row("tags_agree")["observed"] == "command line says 'run9'"


def test_it_works_alone_from_any_folder_without_a_detection(
    close: Callable[..., Closed], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = close()
    (closed.run / "run_detection.json").unlink()
    monkeypatch.chdir(closed.local / "audit")
    run = f"workstation_runs/{closed.made.run_folder}"
    report = f"../gate_results/{closed.made.gate_folder}/production_gates_report.json"
    assert checker.main(["--run-dir", run, "--report-json", report, "--local-root", ".."]) == 0


def test_without_its_manifest_a_decided_run_is_not_audited(
    close: Callable[..., Closed], capsys: pytest.CaptureFixture[str]
) -> None:
    closed = close(Spoil("", local=lambda closed: (closed.run / "evidence_manifest.json").unlink()))
    assert closed.audit() == 4
    assert "expected the manifest of the decision, found nothing there" in capsys.readouterr().err


def test_a_pass_in_the_ledger_needs_gates_that_pass(close: Callable[..., Closed]) -> None:
    closed = close(Spoil("", put("report", "gates", overall_pass=False)))
    facts = observe.observe(run_lookup.locate(RunRequest(closed.local, tag=closed.made.tag)), None)
    lying = dataclasses.replace(facts.ledger, value=[{**facts.ledger.value[-1], "result": "pass"}])
    answer = audit.CHECKS["ledger_row_present"](dataclasses.replace(facts, ledger=lying))
    assert not answer.passed
    assert "do not support" in answer.observed


def test_auditing_twice_changes_no_byte(
    close: Callable[..., Closed], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = close()
    closed.audit()
    files = [closed.run / f"governance_audit_check.{kind}" for kind in ("json", "md")]
    before = [path.read_bytes() for path in files]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    closed.audit()
    assert [path.read_bytes() for path in files] == before


def test_the_document_does_not_depend_on_where_the_workspace_lies(
    close: Callable[..., Closed], tmp_path: Path
) -> None:
    closed = close(Spoil("", lambda made: made.windows[2].update(test_ic="n/a")))
    closed.audit()
    moved = Closed(closed.remote, tmp_path / "another place", closed.made)
    shutil.copytree(closed.local, moved.local)
    (moved.run / "governance_audit_check.json").unlink()
    moved.audit()
    assert {**moved.document(), "generated_at": ""} == {**closed.document(), "generated_at": ""}


def test_a_rehearsal_writes_nothing(close: Callable[..., Closed]) -> None:
    closed = close()
    assert closed.audit("--dry-run") == 0
    assert not list(closed.run.glob("governance_audit_check*"))


@pytest.mark.parametrize("trouble", [KeyError("x"), TypeError("x"), ZeroDivisionError("x")])
def test_a_check_that_cannot_run_says_error(
    close: Callable[..., Closed], trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = close()

    def broken(_: Facts) -> Answer:
        raise trouble

    facts = observe.observe(run_lookup.locate(RunRequest(closed.local, tag=closed.made.tag)), None)
    monkeypatch.setitem(audit.CHECKS, "report_readable", broken)
    document = checker.record(facts, check_catalogue.checks())
    answers = {row["id"]: row["answer"] for row in document["checks"]}
    assert document["passed"] is False
    assert answers["report_readable"] == "error"
    assert answers["overall_pass_boolean"] == "skipped"
    whole = json_files.stamped(document, checker.ARTIFACT)
    assert json_files.findings(whole, checker.ARTIFACT) == []


def test_a_run_that_is_not_here_is_refused(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checker.main(["--tag", "nobody", "--local-root", str(local)]) == 3
    run = local / locations.RUNS / "2026-02-21_031500_production_gates_nobody"
    report = (
        local / locations.GATES / "production_gates_2026-02-21_031700/production_gates_report.json"
    )
    assert (
        checker.main(
            ["--run-dir", str(run), "--report-json", str(report), "--local-root", str(local)]
        )
        == 3
    )
    assert "expected a run folder" in capsys.readouterr().err
    assert not run.exists()


def test_the_page_is_the_golden_one(close: Callable[..., Closed], golden: Golden) -> None:
    closed = close(Spoil("", spoiled.in_many_ways))
    assert closed.audit() == 1
    page = (closed.run / "governance_audit_check.md").read_text()
    golden("governance_audit_check.md", page)
