"""What the site is made from: links to reviews that are there, and digests of what pages use."""

from harness.verified import ClosedRuns
from postrun.core.artifacts import SITE
from postrun.overview import site_tables


def test_links_lead_to_reviews_that_are_there(closed: ClosedRuns) -> None:
    shown = site_tables.read(closed.root)
    runs = [row["run"] for row in shown.registry.select()]
    for link in shown.find_reviews(runs).values():
        assert link
        assert (closed.root / SITE / link).is_file()
    (closed.root / closed.path(site_tables.REVIEW, suffix=".html")).unlink()
    unknown = "2026-01-01_000000_production_gates_none"
    found = site_tables.read(closed.root).find_reviews([*runs, unknown])
    assert (found[runs[0]], found[unknown]) == (None, None)
    assert None not in (found[runs[1]], found[runs[2]])


def test_later_runs_are_named(closed: ClosedRuns) -> None:
    rows = site_tables.read(closed.root).of_family("momentum_12_1", 0, 10)
    assert [row["superseded_tag"] for row in rows] == ["run2", "run2", None]
    assert len({row["family_page"] for row in rows}) == 1


def test_the_input_of_a_page_is_all_that_it_shows(closed: ClosedRuns) -> None:
    shown = site_tables.read(closed.root)
    content = {"rows": [{"run": "a", "total": 1.0}], "nav": []}
    before = shown.input_of("factor_experiment_registry", content, 1)
    assert before["path"] == closed.path("factor_experiment_registry")
    assert before["rows"] == 1
    assert shown.input_of("factor_experiment_registry", {**content}, 1) == before
    for changes in ({"nav": ["x"]}, {"rows": [{"run": "a", "total": 1.1}]}):
        other = shown.input_of("factor_experiment_registry", {**content, **changes}, 1)
        assert other["sha256"] != before["sha256"]


def test_a_run_that_is_not_closed_is_an_input(closed: ClosedRuns) -> None:
    before = site_tables.read(closed.root).input_of_open_runs()
    assert before["rows"] == 0
    run = "2026-03-01_031500_production_gates_begun"
    (closed.root / "audit/workstation_runs" / run).mkdir()
    after = site_tables.read(closed.root).input_of_open_runs()
    assert (after["path"], after["rows"]) == ("audit/workstation_runs", 1)
