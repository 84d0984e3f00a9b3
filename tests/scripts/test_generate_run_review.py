"""The review: gathered from what lies there, the same facts in three forms, harmless whatever the
words of the run.
"""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import generate_run_review as reviewer
import post_run_sync_and_finalize as conductor
import update_factor_experiment_registry as registry
from harness import arrival, factory, spoiled
from harness.factory import Documents
from harness.golden import Golden
from postrun.audit import CHECKS
from postrun.decide import scoring, significance
from postrun.registry import many_trials
from postrun.review import comparison, stages, standing
from postrun.store import configuration, json_files, page_files

STEM = "production_gates_run_review"
HOSTILE = (
    "eve | x\n`code` <script>alert(1)</script> <img src=x onerror=y> **bold** ]]> --> \u202e =cmd()"
)
Change = Callable[[Documents], object]


def close(local: Path, change: Change | None = None, **options: Any) -> Documents:
    """Make a run and close it up to step 6."""
    made = factory.make_run(local, change=change, **options)
    arrival.arrive(local, made)
    steps = ["--from", "finalize-gate-run", "--to", "remediation-plan"]
    assert conductor.main(["--tag", made.tag, "--local-root", str(local), *steps]) in (0, 1)
    return made


def review(local: Path, made: Documents) -> int:
    return reviewer.main(["--tag", made.tag, "--local-root", str(local)])


def register(local: Path, made: Documents) -> None:
    assert registry.main(["--tag", made.tag, "--local-root", str(local)]) == 0


def file(local: Path, made: Documents, suffix: str = ".json") -> Path:
    folder = made.gate_dir(local) if made.report is not None else made.run_dir(local)
    return folder / f"{STEM}{suffix}"


def read(local: Path, made: Documents) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file(local, made).read_text())
    return document


def reviewed(
    local: Path, change: Change | None = None, **options: Any
) -> tuple[Documents, dict[str, Any]]:
    made = close(local, change, **options)
    assert review(local, made) == 0
    return made, read(local, made)


def two_runs(local: Path) -> Documents:
    """Close a clean run and register it, then a worse one of the same factor."""
    first = close(local, tag="reviewed_run1", stamp="2026-02-20_031500")
    register(local, first)
    return close(local, spoiled.in_many_ways, passing=False)


class Page(HTMLParser):
    """The elements, attributes and text of a page, and whether every element is closed."""

    VOID = frozenset({"meta", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def page(local: Path, made: Documents) -> Page:
    return Page(file(local, made, ".html").read_text())


def dots(local: Path, made: Documents) -> list[tuple[str, str]]:
    """Return what each dot of the chart of windows says: the window, and its test IC."""
    chart = file(local, made, ".html").read_text().partition('id="windows-title"')[2]
    return re.findall(
        r'<circle class="dot"[^>]*><title>(.*?): (.*?)</title>', chart.split("</svg>")[0]
    )


def test_a_clean_run_is_for_approval(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = close(local)
    capsys.readouterr()
    assert review(local, made) == 0
    told = capsys.readouterr()
    alone = "compared with no run: no earlier run of this factor is in the registry"
    assert told.err == f"run-review: pass, approve; {alone}\n"
    assert told.out.splitlines() == [
        str(file(local, made, suffix)) for suffix in (".json", ".md", ".html")
    ]
    document = read(local, made)
    assert document["decision"]["recommendation"] == "approve"
    assert document["decision"]["blocking"] == []
    assert document["follow_ups"] == []
    assert document["governance"]["not_passed"] == []
    assert [gate["verdict"] for gate in document["gates"]] == [True] * 10


def test_the_pages_are_the_golden_ones(local: Path, golden: Golden) -> None:
    made = two_runs(local)
    assert review(local, made) == 0
    for suffix in (".md", ".html"):
        golden(f"{STEM}{suffix}", file(local, made, suffix).read_text())


def test_p_by_students_t_stands_beside_the_gates_own(local: Path) -> None:
    made, document = reviewed(local)
    found = document["statistics"]
    expected = significance.of_factor(made.significance, document["factor"])
    assert found["p_student"] == pytest.approx(expected.p_student)
    assert found["q_student"] == pytest.approx(expected.q_student)
    assert found["rule"] == "two-sided normal"
    (own,) = [row for row in made.significance if row["factor"] == document["factor"]]
    assert found["p_value"] == pytest.approx(own["p_value"])
    # The normal distribution is too kind to eight observations.
    assert found["p_student"] > found["p_value"]
    for suffix in (".md", ".html"):
        text = file(local, made, suffix).read_text()
        assert f"{found['p_student']:#.3g}" in text
        assert "The gate decides by its own p and q (two-sided normal)" in text


def test_without_deviations_the_review_says_that_the_gates_q_counts(local: Path) -> None:
    def change(made: Documents) -> None:
        for row in made.significance:
            del row["ic_std"]

    made, document = reviewed(local, change)
    assert document["statistics"]["rule"] is None
    assert document["statistics"]["p_student"] is None
    for suffix in (".md", ".html"):
        text = file(local, made, suffix).read_text()
        assert "The score counts the gate's q." in text


def test_a_failed_run_is_told_whole(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = two_runs(local)
    capsys.readouterr()
    assert review(local, made) == 0
    against = "compared with 2026-02-20_031500_production_gates_reviewed_run1: 0 better, 3 worse"
    assert capsys.readouterr().err == f"run-review: fail, do not promote, 7 blocking; {against}\n"
    document = read(local, made)
    decision = document["decision"]
    assert (
        decision["reasons"][0]
        == "failed: wf_gate_positive_mean, wf_gate_pos_ratio, risk_gate_beta_abs"
    )
    assert (
        decision["reasons"][-2]
        == f"audit: 10 of {len(CHECKS)} checks did not pass (4 failed, 6 skipped)"
    )
    assert decision["reasons"][-1] == (
        "could it be luck: of 2 trials of momentum_12_1 this is the 2nd best; if none were any "
        "good, the best of 2 would look this good 100.0% of the time; 1% is asked: "
        "does not survive"
    )
    assert [issue["kind"] for issue in decision["blocking"]] == ["gate"] * 3 + ["check"] * 4
    beta = next(gate for gate in document["gates"] if gate["gate"] == "risk_gate_beta_abs")
    assert (beta["observed"], beta["threshold"], beta["margin"], beta["verdict"]) == (
        None,
        0.5,
        None,
        False,
    )
    mean = next(gate for gate in document["gates"] if gate["gate"] == "wf_gate_positive_mean")
    assert mean["margin"] == pytest.approx(-0.02)
    overall = document["gates"][-1]
    assert (overall["gate"], overall["verdict"], overall["reported"]) == (
        "overall_pass",
        False,
        True,
    )
    waiting = [
        row["id"] for row in document["governance"]["not_passed"] if row["answer"] == "skipped"
    ]
    assert waiting == [
        *("data_quality_report_found", "data_quality_passed", "statistics_recomputed"),
        *("statistics_table_recomputed", "windows_vary", "ic_by_date_agrees"),
    ]
    tried = {
        todo["about"]: todo["words"]
        for todo in document["follow_ups"]
        if todo["kind"] == "hypothesis"
    }
    shipped = {
        row["gate"]: row["hypothesis"] for row in configuration.load("gate_hypotheses")["gates"]
    }
    assert tried == {
        gate: shipped[gate]
        for gate in ("wf_gate_positive_mean", "wf_gate_pos_ratio", "risk_gate_beta_abs")
    }


def test_gates_that_pass_with_a_faulty_record_are_repaired_first(local: Path) -> None:
    """The ledger says pass; what the audit found is no reason to fail, and no reason to approve."""
    made, document = reviewed(local, lambda made: made.report["wf_stress"].update(test_ic_std=0.5))
    assert document["decision"]["result"] == "pass"
    assert document["decision"]["recommendation"] == "repair_first"
    assert [issue["about"] for issue in document["decision"]["blocking"]] == [
        "walk_forward_recomputed"
    ]
    assert "**Recommendation: repair the record first.**" in file(local, made, ".md").read_text()


def test_windows_come_from_the_listed_table(local: Path) -> None:
    made, document = reviewed(local)
    rows = document["windows"]["rows"]
    assert document["windows"]["path"] == (
        f"gate_results/{made.gate_folder}/walk_forward_stress/momentum_12_1/"
        f"walk_forward_summary.csv"
    )
    assert [row["test_start"] for row in rows] == [f"{year}-01-01" for year in range(2013, 2026)]
    assert [row["test_ic"] for row in rows] == [row["test_ic"] for row in made.windows]
    assert {(row["test_n_dates"], row["test_n_signals"]) for row in rows} == {(12, 12000)}
    assert dots(local, made) == [(row["test_start"], f"{row['test_ic']:.4f}") for row in rows]


def test_a_window_without_a_value_is_said(local: Path) -> None:
    def blank(made: Documents) -> None:
        made.windows[3]["test_ic"] = None
        made.windows[4]["train_ic"] = "n/a"
        made.windows[5]["test_n_dates"] = None

    made, document = reviewed(local, blank)
    rows = document["windows"]["rows"]
    assert (rows[3]["test_ic"], rows[4]["train_ic"], rows[5]["test_n_dates"]) == (None, None, None)
    assert len(dots(local, made)) == 12
    assert "\u00d7" in page(local, made).words
    line = next(
        line
        for line in file(local, made, ".md").read_text().splitlines()
        if line.startswith("| 2016-01-01")
    )
    assert line.count("not measured") == 1


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda made: made.windows.clear(),
            "the table that the report names is not among the evidence",
        ),
        (
            lambda made: made.report["wf_stress"].update(summary_csv="/elsewhere/summary.csv"),
            "the table that the report names is not among the evidence",
        ),
        (
            lambda made: [row.pop("test_ic") for row in made.windows],
            "walk_forward_summary.csv: expected the columns test_ic, found only",
        ),
    ],
)
def test_windows_that_cannot_be_read_are_said(local: Path, spoil: Change, problem: str) -> None:
    made, document = reviewed(local, spoil)
    assert document["windows"]["rows"] is None
    assert problem in document["windows"]["problem"]
    assert str(local) not in json.dumps(document)
    lines = file(local, made, ".md").read_text().splitlines()
    assert [line for line in lines if line.startswith("Not measured: ") and problem in line]


def test_a_run_without_a_report_is_reviewed_in_the_run_folder(local: Path) -> None:
    made, document = reviewed(local, spoiled.crash)
    assert file(local, made).parent == made.run_dir(local)
    assert document["gates"] == document["cost_stress"] == []
    assert document["walk_forward"] is document["risk"] is document["statistics"] is None
    assert document["factor"] == "momentum_12_1", "from the command"
    text = file(local, made, ".md").read_text()
    assert "No gate report of this run could be used: no gate was evaluated." in text
    assert text.count("Not measured") == 8
    assert document["luck"]["verdict"] == "not_measured"
    assert not re.search(r"\|\s*\|\s*\|", text.replace("| what | |\n|---|---|", ""))


def test_a_run_that_died_shows_the_end_of_its_log(local: Path) -> None:
    def killed(made: Documents) -> None:
        spoiled.crash(made)
        made.log = b"step 1\n<script>alert(1)</script> MemoryError: no room\nbye\n"

    made, document = reviewed(local, killed)
    log = document["log"]
    assert log["path"] == f"audit/workstation_runs/{made.run_folder}/run.log"
    assert log["lines"][-1] == "bye"
    assert log["error"] == "<script>alert(1)</script> MemoryError: no room"
    assert "End of the log" in page(local, made).headings
    assert f"error: `{log['error']}`" in file(local, made, ".md").read_text()
    assert reviewed(local, tag="well")[1]["log"] is None


def test_every_other_page_can_be_opened_from_the_review(local: Path) -> None:
    for change, tag in ((None, "whole"), (spoiled.crash, "crashed")):
        made = close(local, change, tag=tag)
        flags = ["--tag", made.tag, "--local-root", str(local), "--from", "run-review"]
        assert conductor.main(flags) in (0, 1)
        links = [value or "" for name, value in page(local, made).attributes if name == "href"]
        assert len(links) == len(read(local, made)["pages"])
        folder = file(local, made).parent
        gone = {Path(link).name for link in links if not (folder / link).is_file()}
        # There is no workstation to plan with.
        assert gone <= {"next_run_plan.md"}


def test_who_ran_what_is_said(local: Path) -> None:
    made, document = reviewed(local)
    ran = document["ran"]
    assert (ran["host"], ran["commit"]) == (made.context["hostname"], made.context["git_commit"])
    assert ran["data_file"] == made.data_quality["inputs"]["input_csv"]
    assert ran["began"] is not None
    assert ran["seconds"] > 0
    whole = "".join(page(local, made).words)
    text = file(local, made, ".md").read_text()
    for fact in (ran["host"], ran["commit"], ran["began"], ran["ended"]):
        assert fact in whole
        assert fact in text


def test_compared_with_the_last_earlier_run_of_the_factor(local: Path) -> None:
    """A later run and a run of another factor are there, too; neither counts."""
    others = {
        "reviewed_run1": "2026-02-18_031500",
        "reviewed_run2": "2026-02-20_031500",
        "reviewed_run9": "2026-02-25_031500",
    }
    for number, (tag, stamp) in enumerate(others.items()):
        register(local, close(local, tag=tag, stamp=stamp, level=0.01 * (number + 1)))
    register(local, close(local, tag="other", stamp="2026-02-20_131500", factor="reversal"))
    _, document = reviewed(local, level=0.03)
    assert (
        document["comparison"]["previous_run"] == "2026-02-20_031500_production_gates_reviewed_run2"
    )
    mean = next(row for row in document["comparison"]["metrics"] if row["metric"] == "wf_mean")
    assert (mean["previous"], mean["current"]) == (pytest.approx(0.02), pytest.approx(0.03))
    # Every window is better by the same: nothing says how far these differences would spread.
    assert (mean["delta"], mean["change"]) == (pytest.approx(0.01), "not told apart")
    assert [row["run"][-1] for row in document["earlier_runs"]["rows"]] == ["2", "1"]
    assert (document["score"]["place"], document["score"]["runs"]) == (1, 4)


def test_a_run_whose_factor_is_not_known_is_compared_with_none(local: Path) -> None:
    def nameless(made: Documents) -> None:
        spoiled.crash(made)
        made.context = None

    for tag, stamp in (
        ("reviewed_run1", "2026-02-18_031500"),
        ("reviewed_run2", "2026-02-20_031500"),
    ):
        made = close(local, nameless, tag=tag, stamp=stamp)
        register(local, made)
    assert review(local, made) == 0
    assert read(local, made)["comparison"] == {
        "previous_run": None,
        "none_because": "the factor is not known",
        "paired": None,
        "metrics": [],
    }


def test_hostile_words_do_no_harm(local: Path) -> None:
    def hostile(made: Documents) -> None:
        made.context.update(owner=HOSTILE, notes=HOSTILE)
        made.report["inputs"].update(factor=HOSTILE.replace("/", ""), strategy=HOSTILE)
        made.report["risk_diagnostics"] = {"ok": False, "reason": HOSTILE}
        made.report["gates"]["overall_pass"] = HOSTILE
        for row in made.windows:
            row["test_start"] = HOSTILE

    plain = reviewed(local, tag="plain", stamp="2026-02-20_031500")[0]
    made, document = reviewed(local, hostile)
    assert document["objective"] == HOSTILE
    found = page(local, made)
    assert found.open == []
    assert set(found.tags) <= set(page(local, plain).tags) | {"ol", "li", "br"}
    assert not {name for name, _ in found.attributes} & {"onerror", "src", "style"}
    links = [value or "" for name, value in found.attributes if name == "href"]
    assert [
        link for link in links if not re.fullmatch(r"(\.\./){2}[\w./-]+\.(md|html)", link)
    ] == []
    assert "\u202e" not in "".join(found.words)
    assert "<script>alert(1)</script>" in "".join(found.words), "shown, not obeyed"
    text = file(local, made, ".md").read_text()
    assert "<script" not in text.replace("`", "")[: text.index("### As the gate")]
    assert not re.search(r"(?<!`)<(script|img)", re.sub(r"(`+)[^`].*?\1", "", text))
    rows = [line for line in text.splitlines() if line.startswith("| owner")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3]
    assert "\\*\\*bold\\*\\*" in rows[0]


def test_the_page_needs_nothing_from_outside(local: Path) -> None:
    made, _ = reviewed(local)
    text = file(local, made, ".html").read_text()
    assert not re.search(r"https?:|url\(|@import|<script|<link|<img|<iframe", text)
    assert "default-src 'none'" in text
    for media in ("prefers-color-scheme: dark", "@media print", "width=device-width"):
        assert media in text


def test_all_three_say_the_same(local: Path) -> None:
    made = two_runs(local)
    assert review(local, made) == 0
    document, text = read(local, made), file(local, made, ".md").read_text()
    found = page(local, made)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert found.headings == headings
    assert headings == [
        *("Recommendation", "Test IC per window", "Among all trials", "Share of positive windows"),
        *("Cost", "Risk", "Compared with the last run of this factor", "Gates"),
        *("Governance and remediation", "Follow-ups", "The run", "Evidence", "Other pages"),
    ]
    whole = "".join(found.words)
    facts = [gate["gate"] for gate in document["gates"]] + [
        cited["sha256"] for cited in document["evidence"]["cited"]
    ]
    facts += [todo["words"] for todo in document["follow_ups"]] + [
        row["words"] for row in document["comparison"]["metrics"]
    ]
    assert [fact for fact in facts if fact not in whole] == []
    assert [fact for fact in facts if fact not in text] == []


def svgs(local: Path, made: Documents) -> dict[str, str]:
    """Return the charts of a page by the id that their title begins with."""
    text = file(local, made, ".html").read_text()
    found = re.findall(r'<svg class="chart".*?</svg>', text, re.DOTALL)
    return {re.findall(r'<title id="(\w+)-title">', svg)[0]: svg for svg in found}


def test_each_chart_has_a_title_a_description_and_no_id_twice(local: Path) -> None:
    made = two_runs(local)
    assert review(local, made) == 0
    charts = svgs(local, made)
    assert list(charts) == ["windows", "trials", "share", "cost", "risk", "paired"]
    for name, svg in charts.items():
        assert f'role="img" aria-labelledby="{name}-title {name}-about"' in svg
        assert re.search(
            rf'<title id="{name}-title">[^<]+</title><desc id="{name}-about">[^<]+<', svg
        )
        assert not re.search(r'="[^"]*(nan|inf|none)', svg, re.IGNORECASE)
    ids = [value for name, value in page(local, made).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    regions = [value for name, value in page(local, made).attributes if name == "aria-label"]
    assert len(regions) == len(set(regions))


def test_numbers_in_charts_are_those_of_the_document(local: Path) -> None:
    made = two_runs(local)
    assert review(local, made) == 0
    document = read(local, made)
    charts = svgs(local, made)
    luck = document["luck"]
    shown = [text for svg in charts.values() for text in re.findall(r"<title>(.*?)</title>", svg)]
    expected = [f"{row['test_start']}: {row['test_ic']:.4f}" for row in document["windows"]["rows"]]
    expected += [
        f"x{row['cost_multiplier']:.1f}: {row['test_ic']:.4f}" for row in document["cost_stress"]
    ]
    expected += [
        f"{row['test_start']}: {row['difference']:.4f}"
        for row in document["comparison"]["paired"]["windows"]
    ]
    first, second = luck["family_trials"]
    expected += [f"1, {first['run']}: {first['t']:.2f}", f"this run, 2 of 2: {second['t']:.2f}"]
    expected.append(f"mean: {luck['mean']:.4f}")
    assert [text for text in expected if text not in shown] == []
    assert f">needed: {luck['t_needed']:.2f}<" in charts["trials"]
    # A dot that is higher says more.
    heights = re.findall(r'<circle class="dot" cx="[\d.]+" cy="([\d.]+)"', charts["windows"])
    ics = [row["test_ic"] for row in document["windows"]["rows"]]
    order = sorted(range(len(ics)), key=lambda place: ics[place])
    assert [float(heights[place]) for place in order] == sorted(map(float, heights), reverse=True)


@pytest.mark.parametrize("number", [1, 200, 300, 2000])
def test_a_page_of_very_many_trials_stays_small(local: Path, number: int) -> None:
    _, document = reviewed(local, level=0.03)
    run = document["run_folder"]
    numbered: list[dict[str, Any]] = []
    for place in range(1, number):
        name = f"2025-01-01_{place:06d}_production_gates_{HOSTILE}"
        numbered.append({"number": place, "run": name, "t": place * 37 % 400 / 100 - 2})
    numbered.append({"number": number, "run": run, "t": document["luck"]["t"]})
    document["luck"].update(many_trials.cut(numbered, run))
    text = page_files.page(f"{STEM}.html", **document)
    assert len(text.encode()) < 300_000
    found = Page(text)
    assert found.open == []
    assert "script" not in found.tags
    chart = text.partition('id="trials-title"')[2].partition("</svg>")[0]
    marks = chart.count("<circle") + chart.count('<line class="thin"')
    assert marks == (number if number <= 300 else 50)
    assert chart.count('<circle class="own"') == 1
    assert ('<rect class="bar"' in chart) == (number > 300)


def test_evidence_is_cited_with_its_digest(local: Path) -> None:
    made, document = reviewed(local)
    manifest = json.loads((made.run_dir(local) / "evidence_manifest.json").read_text())
    listed = {row["path"]: row["sha256"] for row in manifest["files"]}
    cited = {row["path"]: row["sha256"] for row in document["evidence"]["cited"]}
    assert cited.items() <= listed.items()
    names = {Path(path).name for path in cited}
    assert {
        "production_gates_report.json",
        "walk_forward_summary.csv",
        "context.json",
        "run.log",
    } <= names
    assert [path for path in cited if "shard_" in path] == [], (
        "the shards' own copies are counted, not cited"
    )
    assert document["evidence"]["files"] == len(listed)


def test_reviewing_twice_changes_no_byte(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = two_runs(local)
    assert review(local, made) == 0
    files = [file(local, made, suffix) for suffix in (".json", ".md", ".html")]
    before = [path.read_bytes() for path in files]
    register(local, made)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert review(local, made) == 0
    assert [path.read_bytes() for path in files] == before


def test_what_it_writes_is_no_evidence(local: Path) -> None:
    """The audit after a review finds the evidence as it was."""
    for change, tag in ((None, "reviewed_run1"), (spoiled.crash, "reviewed_run2")):
        made, _ = reviewed(local, change, tag=tag)
        flags = ["--tag", made.tag, "--local-root", str(local), "--no-sync"]
        assert conductor.main([*flags, "--to", "governance-audit"]) in (0, 1)
        audit = json.loads((made.run_dir(local) / "governance_audit_check.json").read_text())
        assert (
            next(row["answer"] for row in audit["checks"] if row["id"] == "evidence_unchanged")
            == "pass"
        )


@pytest.mark.parametrize(
    "name", ["governance_audit_check", "governance_remediation_plan", "evidence_manifest"]
)
def test_without_an_earlier_step_there_is_no_review(
    local: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = close(local)
    (made.run_dir(local) / f"{name}.json").unlink()
    capsys.readouterr()
    assert review(local, made) == 3
    assert f"{name}.json: expected " in capsys.readouterr().err
    assert not file(local, made).exists()


def test_without_a_ledger_row_there_is_no_review(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = close(local)
    (local / "audit/stage_ledger.jsonl").unlink()
    capsys.readouterr()
    assert review(local, made) == 3
    assert (
        f"stage_ledger.jsonl: expected a row for {made.run_folder}, found none"
        in capsys.readouterr().err
    )


def test_a_broken_registry_is_made_again(local: Path) -> None:
    made = close(local)
    register(local, made)
    assert review(local, made) == 0
    page = made.gate_dir(local) / "production_gates_run_review.json"
    before = page.read_bytes()
    path = local / "audit/factor_registry/factor_experiment_registry.csv"
    path.write_text(path.read_text().replace("factor,", "faktor,", 1))
    assert review(local, made) == 0
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    ("metric", "then", "now", "delta", "change"),
    [
        ("wf_mean", 0.01, 0.02, 0.01, "better"),
        ("wf_mean", 0.02, 0.01, -0.01, "worse"),
        ("wf_mean", 0.02, 0.02 * (1 + 1e-12), 0.0, "same"),
        ("wf_mean", None, 0.02, None, "not comparable"),
        ("wf_mean", 0.02, None, None, "not comparable"),
        ("q_value", 0.2, 0.1, -0.1, "better"),
        ("q_value", 0.1, 0.2, 0.1, "worse"),
        ("beta", -0.4, 0.1, 0.5, "better"),
        ("beta", 0.1, -0.4, -0.5, "worse"),
        ("beta", 0.3, -0.3, -0.6, "same"),
        ("high_items", 2, 0, -2, "better"),
        ("audit_passed", False, True, None, "better"),
        ("overall_pass", True, False, None, "worse"),
        ("factor_gate_pass", None, True, None, "not comparable"),
        ("overall_pass", False, False, None, "same"),
    ],
)
def test_every_metric_has_a_direction(
    metric: str, then: Any, now: Any, delta: float | None, change: str
) -> None:
    empty = dict.fromkeys(known.name for known in comparison.METRICS)
    # Window by window, the second run is as much above or below the first one.
    sign = "-" if change == "worse" else ""
    before = {**empty, metric: then, "series": "2013=0;2014=0;2015=0"}
    after = {**empty, metric: now, "series": f"2013={sign}0.1;2014={sign}0.11;2015={sign}0.12"}
    rows = comparison.compare(before, after)
    found = next(row for row in rows if row["metric"] == metric)
    assert found["change"] == change
    assert found["delta"] == (delta if delta is None else pytest.approx(delta, abs=1e-9))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2013=0.01;2014=0.02;2015=0.03", "2013=0.05;2014=-0.02;2015=0.06"),
        ("2013=0.01;2014=0.02;2015=0.03", "2016=0.05;2017=0.06;2018=0.07"),
        (None, "2013=0.05;2014=0.06"),
    ],
)
def test_means_that_differ_by_no_more_than_luck_are_not_told_apart(
    before: str | None, after: str
) -> None:
    empty = dict.fromkeys(known.name for known in comparison.METRICS)
    rows = comparison.compare(
        {**empty, "wf_mean": 0.02, "series": before}, {**empty, "wf_mean": 0.03, "series": after}
    )
    found = next(row for row in rows if row["metric"] == "wf_mean")
    assert found["change"] == "not told apart"
    assert comparison.tally(rows)["not told apart"] == 1


def test_metrics_are_columns_of_the_registry() -> None:
    columns = json_files.columns(reviewer.REGISTRY)
    assert [metric.name for metric in comparison.METRICS if metric.name not in columns] == []
    numbers = {name for name in columns if name.startswith("test_ic_")}
    assert numbers <= scoring.measure(None).keys()


@pytest.mark.parametrize(
    "odd", [None, {}, [], {"wf_stress": [1], "risk_diagnostics": "x", "gates": None}, {"args": 1}]
)
def test_reports_of_any_shape_have_stages(odd: Any) -> None:
    assert stages.cost_rows(odd) == []
    for name in ("wf_stress", "risk_diagnostics", "statistical_gates"):
        assert stages.stage(odd, name) is None
    assert len(stages.gate_rows(odd)) == (0 if odd is None else 10)


def test_values_of_another_type_were_not_measured() -> None:
    report = {
        "cost_stress": [{"cost_multiplier": "1.5", "test_ic": True, "return_code": 0.5}],
        "risk_diagnostics": {"ok": "yes", "reason": 7, "beta_vs_spy": "0.1"},
        "gates": {"overall_pass": [1]},
    }
    assert stages.cost_rows(report) == [
        {"cost_multiplier": None, "test_ic": None, "train_ic": None, "return_code": None}
    ]
    risk = stages.stage(report, "risk_diagnostics") or {}
    assert (risk["ok"], risk["reason"], risk["beta_vs_spy"]) == (None, None, None)
    assert stages.gate_rows(report)[-1]["reported"] == "[1]"


def test_a_gate_without_a_hypothesis_is_said() -> None:
    plan: dict[str, Any] = {"items": [], "failed_gates": [{"gate": "new_gate"}]}
    assert standing.follow_ups(plan, []) == [
        {"kind": "hypothesis", "about": "new_gate", "severity": None, "words": None}
    ]
