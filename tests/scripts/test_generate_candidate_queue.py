"""The candidate queue: who gets in, every part of the priority, and that no order of closing has a
say.
"""

import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import generate_candidate_queue as queue
import post_run_sync_and_finalize as conductor
import update_factor_experiment_registry as registry
import update_failure_pattern_db as patterns
from harness import factory, spoiled
from harness.archive import CHECKS, Archive, registry_row, run_folder
from harness.golden import Golden
from harness.workspace import location_flags
from postrun.core import locations
from postrun.store import configuration, json_files, tables

QUEUE, REGISTRY, TABLE = "factor_candidate_queue", "factor_experiment_registry", "failure_patterns"
# A policy of this test's own: the numbers of the shipped one are pinned elsewhere.
RULES: dict[str, Any] = {
    "actions": {
        "promote_candidate": "paper_candidate_validation",
        "reject_or_research": "research_iteration_with_new_hypothesis",
        "watchlist_rerun": "official_rerun_with_targeted_adjustments",
    },
    "bonuses": {
        "audit_passed": 5,
        "data_quality_passed": 5,
        "overall_pass": 15,
        "watchlist_rerun": 3,
    },
    "least_totals": {"any": 45, "reject_or_research": 55},
    "mode": "mixed",
    "modes": {
        "exploration_only": {"exploration": 4, "robust": 0},
        "mixed": {"exploration": 1, "robust": 3},
        "robust_only": {"exploration": 0, "robust": 4},
    },
    "penalties": {
        "family": {"Artifacts": 3, "Consistency": 4, "DataQuality": 4, "Ledger": 2, "Runtime": 3},
        "high_item": 8,
        "severity": {"High": 6, "Low": 0, "Medium": 0},
    },
    "policy_version": 1,
}
DAYS = [f"2026-02-{day}_031500" for day in range(16, 22)]
PROMOTE, WATCH, RESEARCH = "promote_candidate", "watchlist_rerun", "reject_or_research"


@pytest.fixture
def archive(local: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Return an empty workspace, ranked by this test's own policy."""
    load = configuration.load
    shipped = {queue.POLICY: RULES}
    monkeypatch.setattr(configuration, "load", lambda name: shipped.get(name) or load(name))
    return Archive(local)


def rank(archive: Archive, *flags: str) -> int:
    return queue.main(["--local-root", str(archive.root), *flags])


def row(
    factor: str | None, total: float = 70.0, decision: str = WATCH, day: int = 0, **changes: Any
) -> dict[str, Any]:
    run = run_folder(DAYS[day], f"{factor or 'none'}{day}".replace("|", "").replace("=", ""))
    return registry_row(run, factor, total=total, decision=decision, **changes)


def policy(mode: str = "mixed") -> queue.Policy:
    return queue.Policy(RULES, mode, CHECKS)


def candidates(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    registry = tables.of_rows(Path("not written"), queue.REGISTRY, list(rows))
    return queue.make_candidates(registry, policy(), [])


def parts(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: found[f"points_{name}"] for name in queue.PARTS if found[f"points_{name}"]}


@pytest.mark.parametrize(
    ("changes", "expected", "priority"),
    [
        (
            {},
            {"overall_pass": 15, "audit_passed": 5, "data_quality_passed": 5, "watchlist_rerun": 3},
            98,
        ),
        (
            {"overall_pass": None},
            {"audit_passed": 5, "data_quality_passed": 5, "watchlist_rerun": 3},
            83,
        ),
        (
            {
                "overall_pass": False,
                "audit_passed": False,
                "data_quality_passed": False,
                "decision": RESEARCH,
            },
            {},
            70,
        ),
        (
            {"decision": PROMOTE, "total": 90.0, "high_items": 2},
            {"overall_pass": 15, "audit_passed": 5, "data_quality_passed": 5, "high_items": -16},
            99,
        ),
        (
            {
                "decision": RESEARCH,
                "failed_checks": "exit_code_zero;tag_used_once",
                "high_items": 1,
                "audit_passed": False,
            },
            {
                "overall_pass": 15,
                "data_quality_passed": 5,
                "high_items": -8,
                "latest_severity": -6,
                "latest_family": -7,
            },
            69,
        ),
    ],
)
def test_priority_by_hand(
    changes: dict[str, Any], expected: dict[str, float], priority: float
) -> None:
    (found,) = candidates(row("momentum", **changes))
    assert parts(found) == expected
    assert found["priority"] == priority


@pytest.mark.parametrize(
    ("check", "severity", "family"),
    [
        ("exit_code_zero", -6, -3),
        ("data_quality_ran", -6, -4),
        ("tags_agree", -6, -4),
        ("tag_used_once", 0, -4),
        ("run_files_present", -6, -3),
        ("final_summary_present", 0, -3),
        ("ledger_row_present", -6, -2),
        ("no_longer_asked", 0, 0),
    ],
)
def test_a_failure_costs_by_severity_and_family(check: str, severity: float, family: float) -> None:
    (found,) = candidates(row("momentum", failed_checks=check))
    assert (found["points_latest_severity"], found["points_latest_family"]) == (severity, family)
    assert (found["points_earlier_severity"], found["points_earlier_family"]) == (0, 0)


@pytest.mark.parametrize(
    ("story", "earlier"),
    [
        ("fp", None),  # resolved
        ("ffp", None),
        ("fs", "exit_code_zero:1"),  # skipped since: nobody knows
        ("ff", "exit_code_zero:1"),  # still failing: the latest counts apart
        ("fff", "exit_code_zero:2"),
        ("fpf", "exit_code_zero:1"),  # came back: it was not resolved
        ("fps", None),
        ("f", None),
        ("pf", None),
    ],
)
def test_earlier_failures_count_unless_resolved(story: str, earlier: str | None) -> None:
    check = "exit_code_zero"
    cells: dict[str, dict[str, Any]] = {
        "f": {"failed_checks": check},
        "s": {"skipped_checks": check},
        "p": {},
    }
    (found,) = candidates(
        *(row("momentum", day=day, **cells[letter]) for day, letter in enumerate(story))
    )
    assert found["earlier_failures"] == earlier
    count = int(earlier.partition(":")[2]) if earlier else 0
    assert (found["points_earlier_severity"], found["points_earlier_family"]) == (
        -6 * count,
        -3 * count,
    )
    assert found["latest_failures"] == ("exit_code_zero" if story.endswith("f") else None)


def test_the_latest_run_of_a_factor_counts_whatever_its_place_in_the_table() -> None:
    old, new = (
        row("momentum", total=90.0, decision=PROMOTE),
        row("momentum", total=50.0, decision=RESEARCH, day=3),
    )
    for rows in ((old, new), (new, old)):
        (found,) = candidates(*rows)
        assert found["run"] == new["run"]


def test_another_factors_failures_cost_nothing() -> None:
    found = candidates(row("momentum"), row("reversal", day=1, failed_checks="exit_code_zero"))
    assert {one["factor"]: one["points_latest_severity"] for one in found} == {
        "momentum": 0,
        "reversal": -6,
    }


@pytest.mark.parametrize(
    ("decision", "total", "so"),
    [
        (PROMOTE, 80.0, True),
        (WATCH, 45.0, True),
        (WATCH, 44.9, False),
        (RESEARCH, 55.0, True),
        (RESEARCH, 54.9, False),
        (RESEARCH, 0.0, False),
    ],
)
def test_who_qualifies(decision: str, total: float, so: bool) -> None:
    assert queue.qualifies({"decision": decision, "total": total}, RULES) is so


def field(robust: int, exploration: int, hopeless: int) -> list[dict[str, Any]]:
    """Make so many candidates of each kind; within a kind the first has the best score."""
    rows = [row(f"robust{n}", 90.0 - n, WATCH) for n in range(robust)]
    rows += [row(f"explore{n}", 60.0 - n, RESEARCH) for n in range(exploration)]
    return candidates(*rows, *(row(f"hopeless{n}", 30.0 - n, RESEARCH) for n in range(hopeless)))


def shown(chosen: Iterable[Mapping[str, Any]]) -> str:
    return " ".join(f"{one['factor']}/{one['slot'][0]}/{one['admitted']}" for one in chosen)


@pytest.mark.parametrize(
    ("mode", "kinds", "expected"),
    [
        (
            "mixed",
            (5, 2, 1),
            "robust0/r/qualified robust1/r/qualified robust2/r/qualified explore0/e/qualified",
        ),
        (
            "mixed",
            (5, 0, 1),
            "robust0/r/qualified robust1/r/qualified robust2/r/qualified robust3/r/open_slot",
        ),
        (
            "mixed",
            (1, 3, 1),
            "robust0/r/qualified explore0/e/qualified explore1/e/open_slot explore2/e/open_slot",
        ),
        ("mixed", (1, 0, 3), "robust0/r/qualified"),
        (
            "mixed",
            (0, 0, 5),
            "hopeless0/e/fallback hopeless1/e/fallback hopeless2/e/fallback hopeless3/e/fallback",
        ),
        (
            "robust_only",
            (5, 2, 0),
            "robust0/r/qualified robust1/r/qualified robust2/r/qualified robust3/r/qualified",
        ),
        ("robust_only", (1, 5, 0), "robust0/r/qualified"),
        ("exploration_only", (5, 2, 2), "explore0/e/qualified explore1/e/qualified"),
        ("exploration_only", (0, 0, 1), "hopeless0/e/fallback"),
        ("mixed", (0, 0, 0), ""),
    ],
)
def test_slots(mode: str, kinds: tuple[int, int, int], expected: str) -> None:
    chosen = queue.choose(field(*kinds), policy(mode))
    assert shown(chosen) == expected
    assert [one["rank"] for one in chosen] == list(range(1, len(chosen) + 1))


def test_the_fallback_is_by_score_and_the_queue_by_priority() -> None:
    weighed = [row(f"f{n}", 40.0 - n, RESEARCH, overall_pass=False) for n in range(5)]
    weighed[0]["high_items"] = 3
    chosen = queue.choose(candidates(*weighed), policy())
    assert [one["factor"] for one in chosen] == ["f1", "f2", "f3", "f0"], (
        "f0 has the best score and the least priority"
    )


def test_equal_priorities_have_one_order() -> None:
    rows = [
        row(name, 70.0, day=day) for day, name in enumerate("cab")
    ]  # not the order of their runs
    orders = {
        tuple(one["factor"] for one in candidates(*request))
        for request in itertools.permutations(rows)
    }
    assert orders == {("a", "b", "c")}


def test_main_writes_table_and_page(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    archive.put(
        row("momentum", 90.0, PROMOTE),
        row("reversal", 60.0, RESEARCH, failed_checks="tags_agree"),
        row(None),
    )
    assert rank(archive) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        str(locations.workspace_path(archive.root, QUEUE, suffix)) for suffix in (".csv", ".md")
    ]
    assert "2 of 2 factors queued, mode mixed" in err
    rows = archive.table(QUEUE)
    assert [(one["rank"], one["factor"], one["action"]) for one in rows] == [
        (1, "momentum", "paper_candidate_validation"),
        (2, "reversal", "research_iteration_with_new_hypothesis"),
    ]
    for one in rows:
        assert json_files.findings(one, QUEUE) == []
        assert one["priority"] == one["total"] + sum(one[f"points_{name}"] for name in queue.PARTS)
        assert (
            one["made_from_registry_sha256"] == hashlib.sha256(archive.read(REGISTRY)).hexdigest()
        )
    assert b"Runs that name no factor, and so are no candidates: 1." in archive.read(QUEUE, ".md")


def test_mode_by_flag_wins_for_once(archive: Archive) -> None:
    archive.put(row("momentum"), row("reversal", 60.0, RESEARCH))
    assert rank(archive, "--mode", "exploration_only") == 0
    assert [(one["factor"], one["mode"]) for one in archive.table(QUEUE)] == [
        ("reversal", "exploration_only")
    ]
    assert rank(archive) == 0
    assert {one["mode"] for one in archive.table(QUEUE)} == {"mixed"}


def test_an_empty_queue_keeps_its_header(archive: Archive) -> None:
    archive.put(row(None))
    assert rank(archive) == 0
    assert archive.read(QUEUE).decode() == ",".join(json_files.columns(QUEUE)) + "\n"
    assert b"The queue is empty: no closed run names a factor." in archive.read(QUEUE, ".md")


def test_twice_changes_no_byte_and_a_new_registry_shows(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.put(row("momentum"))
    rank(archive)
    first = archive.read(QUEUE), archive.read(QUEUE, ".md")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4000000000")
    rank(archive)
    assert (archive.read(QUEUE), archive.read(QUEUE, ".md")) == first
    archive.put(row("momentum", day=1))
    (stale,) = archive.table(QUEUE)
    assert stale["made_from_registry_sha256"] != hashlib.sha256(archive.read(REGISTRY)).hexdigest()


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [((), 3, "register a run first"), (("--mode", "mixd"), 2, "invalid choice: 'mixd'")],
)
def test_refusals(
    archive: Archive, capsys: pytest.CaptureFixture[str], flags: Any, code: int, words: str
) -> None:
    assert rank(archive, *flags) == code
    assert words in capsys.readouterr().err


def rename(rules: dict[str, Any]) -> None:
    rules["penalties"]["famly"] = rules["penalties"].pop("family")


def forget(rules: dict[str, Any]) -> None:
    del rules["bonuses"]["audit_passed"]


def invent(rules: dict[str, Any]) -> None:
    rules["mode"] = "mixd"


@pytest.mark.parametrize("change", [rename, forget, invent])
def test_a_typo_in_the_policy_is_refused(
    local: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Any,
) -> None:
    project = tmp_path / "project"
    shutil.copytree(locations.PROJECT / "configs", project / "configs")
    rules = json.loads(json.dumps(RULES))
    change(rules)
    (project / "configs/candidate_queue_policy.json").write_text(json.dumps(rules))
    monkeypatch.setattr(locations, "PROJECT", project)
    archive = Archive(local)
    archive.put(row("momentum"))
    assert rank(archive) == 4
    assert "candidate_queue_policy.json: expected a document that fits" in capsys.readouterr().err
    assert not locations.workspace_path(archive.root, QUEUE).exists()


def test_odd_factors_do_no_harm(archive: Archive) -> None:
    factors = ("=cmd()|' /C calc'", "a|b\n<script>alert(1)</script>`x`", "@sum", "-", " ", "0")
    archive.put(
        *(
            registry_row(run_folder(DAYS[n], f"odd{n}"), factor, total=90.0 - n)
            for n, factor in enumerate(factors)
        )
    )
    assert rank(archive) == 0
    assert [one["factor"] for one in archive.table(QUEUE)] == list(factors[:4])
    for line in archive.read(QUEUE).decode().splitlines():
        assert not line.split(",")[1].startswith(("=", "@"))
    assert b"<script" not in archive.read(QUEUE, ".md")


def test_every_order_of_closing_gives_the_same_bytes(remote: Path, tmp_path: Path) -> None:
    """Two real runs of one factor and one of another: steps 8, 9 and 11 themselves, in
    every order.
    """
    local = tmp_path / "closed"
    made = [
        factory.make_run(remote, tag="a", stamp="2026-02-16_031500", change=spoiled.in_many_ways),
        factory.make_run(remote, tag="b", stamp="2026-02-17_031500", change=spoiled.nan_beta),
        factory.make_run(
            remote, tag="d", stamp="2026-02-17_031500", factor="reversal", change=spoiled.crash
        ),
    ]
    for run in made:
        where = location_flags(remote, local)
        assert conductor.main(["--tag", run.tag, *where, "--to", "remediation-plan"]) in (0, 1)
    found = {
        closed(local, [run.tag for run in request]) for request in itertools.permutations(made)
    }
    assert len(found) == 1
    (tables,) = found
    assert all(tables)
    assert b"earlier_failures" in tables[0]
    assert closed(local, ["a", "a", "b", "a", "d", "d"]) == tables, (
        "nor has it a say how often one is closed"
    )


def closed(local: Path, tags: Iterable[str]) -> tuple[bytes, ...]:
    """Run the steps for each tag in turn, from empty tables; give what lies there at the end."""
    for folder in ("factor_registry", "failure_patterns"):
        shutil.rmtree(local / "audit" / folder, ignore_errors=True)
    for tag in tags:
        for step in (registry, queue, patterns):
            assert step.main(["--tag", tag, "--local-root", str(local)]) == 0
    kept = (
        (QUEUE, ".csv"),
        (QUEUE, ".md"),
        (TABLE, ".csv"),
        ("failure_pattern_summary", ".md"),
        (REGISTRY, ".csv"),
    )
    return tuple(
        locations.workspace_path(local, artifact, suffix).read_bytes() for artifact, suffix in kept
    )


@pytest.mark.parametrize("verdict", queue.LOSERS)
def test_who_lost_to_luck_takes_no_robust_slot(verdict: str) -> None:
    """Only the exploration slot is left, though three robust ones are free."""
    lost = [row(name, 70.0, RESEARCH, verdict=verdict) for name in ("a", "b", "c")]
    chosen = queue.choose(candidates(*lost), policy())
    assert [(found["factor"], found["slot"]) for found in chosen] == [("a", "exploration")]
    assert queue.choose(candidates(*lost), policy("robust_only"))[0]["admitted"] == "fallback"
    others = [row(name, 70.0, RESEARCH, verdict="too_few_windows") for name in ("d", "e")]
    chosen = queue.choose(candidates(*lost, *others), policy())
    assert [found["factor"] for found in chosen] == ["a", "d", "e"]


def families(archive: Archive, **windows: tuple[int, int | None]) -> None:
    """Leave the statistics of families: windows of the best, and windows needed."""
    rows = []
    for name, (had, needed) in windows.items():
        known = {
            "family": name,
            "factors": name,
            **dict.fromkeys(("trials", "prior_trials", "of_unknown_factor"), 1),
            **dict.fromkeys(("p", "q"), 0.5),
            "windows": had,
            "windows_needed": needed,
            "policy_version": 1,
        }
        empty = dict.fromkeys(json_files.columns(queue.FAMILIES))
        rows.append({**empty, **known})
    tables.write_table(archive.root, queue.FAMILIES, rows)


def test_the_page_says_what_a_rerun_is_worth_and_how_many_years_are_missing(
    archive: Archive,
) -> None:
    archive.put(
        row("young", 70.0, verdict="too_few_windows", family="young"),
        row("lost", 71.0, RESEARCH, verdict="does_not_survive", family="lost"),
        row("good", 90.0, PROMOTE, verdict="survives", family="good"),
        row("odd", 60.0, RESEARCH, verdict="not_comparable", family="odd"),
    )
    families(archive, young=(4, 14), lost=(13, None), good=(13, 10), odd=(13, 13))
    assert rank(archive) == 0
    rows = {found["factor"]: found for found in archive.table(QUEUE)}
    standing = ("verdict", "windows", "windows_needed")
    assert [rows["young"][name] for name in standing] == ["too_few_windows", 4, 14]
    assert [rows["lost"][name] for name in standing] == ["does_not_survive", 13, None]
    parts_of_page = archive.read(QUEUE, ".md").decode().split("\n### ")
    shown = {part.split("\n")[0].split()[-1]: part for part in parts_of_page[1:]}
    assert "many trials: 14; years missing: 10" in shown["young"]
    assert "one more trial" not in shown["young"]
    assert "another run would be one more trial (does_not_survive)" in shown["lost"]
    assert "not to be said" in shown["lost"].replace("\\", "")
    assert "windows (one" not in shown["good"]
    (left_out,) = re.findall(r"\| odd .*", archive.read(QUEUE, ".md").decode())
    assert "not_comparable: another run would be one more trial" in left_out


def test_page(archive: Archive, golden: Golden) -> None:
    archive.put(
        row("momentum", 88.25, PROMOTE, day=2),
        row("momentum", 50.0, RESEARCH, day=1, failed_checks="exit_code_zero"),
        row(
            "reversal",
            71.5,
            day=1,
            failed_checks="exit_code_zero;tags_agree",
            high_items=2,
            audit_passed=False,
        ),
        row("reversal", 60.0, RESEARCH, day=0, failed_checks="tags_agree"),
        row("low_vol|=x", 57.0, RESEARCH, overall_pass=False),
        *(
            row(f"weak{n:02d}", 50.0 - n, RESEARCH, overall_pass=None, data_quality_passed=False)
            for n in range(12)
        ),
        row("explore", 56.0, RESEARCH, overall_pass=False, audit_passed=False),
        row("explore2", 55.0, RESEARCH, overall_pass=False, audit_passed=False),
        row(None),
    )
    assert rank(archive) == 0
    page = re.sub(
        "[0-9a-f]{64}", "<digest>", archive.read(QUEUE, ".md").decode()
    )  # they follow every policy's wording
    golden(f"{QUEUE}.md", page)
