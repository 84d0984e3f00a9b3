"""From a data-quality report to the launcher's variables, and to the policy that reads them."""

from dataclasses import fields
from typing import Any

import pytest

from harness import factory
from postrun.core.errors import Usage
from postrun.core.locations import PROJECT
from postrun.decide import data_settings
from postrun.launcher import POLICY_FILE, policy

INPUTS = factory.documents().data_quality["inputs"]


def variables(**changes: Any) -> dict[str, str]:
    return data_settings.variables({"inputs": {**INPUTS, **changes}})


def test_every_setting_has_its_variable() -> None:
    assert variables() == {
        "DQ_REQUIRED_COLUMNS": "date,symbol,close",
        "DQ_NUMERIC_COLUMNS": "close",
        "DQ_KEY_COLUMNS": "date,symbol",
        "DQ_DATE_COLUMN": "date",
        "DQ_MIN_ROWS": "1000",
        "DQ_MAX_MISSING_RATIO": "0.05",
        "DQ_MAX_DUPLICATE_RATIO": "0.0",
        "DQ_MAX_STALENESS_DAYS": "7",
    }
    assert set(policy.FIELDS["data_quality"]) == set(data_settings.SETTINGS)


def test_each_setting_is_a_threshold_and_is_read_as_one() -> None:
    thresholds = {field.name: field.type for field in fields(policy.Thresholds)}
    assert list(thresholds) == list(data_settings.TYPES)
    for name, kind in thresholds.items():
        assert data_settings.TYPES[name] in (kind, data_settings.parse_columns)


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("required_columns", "asof,sym,alpha", "asof,sym,alpha"),
        ("key_columns", ["asof"], "asof"),
        ("key_columns", [], None),
        ("key_columns", "", None),
        ("key_columns", ["last, first"], None),  # it would be read as two columns
        ("date_column", None, None),
        ("min_rows", 500, "500"),
        ("min_rows", 500.0, "500"),  # the gate program takes no 500.0
        ("min_rows", 0.5, None),
        ("min_rows", True, None),
        ("max_staleness_days", 90.0, "90.0"),
        ("max_missing_ratio", 0, "0"),
        ("max_missing_ratio", "0.1", None),
    ],
)
def test_each_kind_of_value_is_written_its_way(setting: str, value: Any, text: str | None) -> None:
    report = {"inputs": {**INPUTS, setting: value}}
    assert data_settings.by_setting(report)[setting] == text


@pytest.mark.parametrize("report", [None, {}, {"inputs": []}, {"inputs": {}}])
def test_a_report_of_another_shape_sets_nothing(report: Any) -> None:
    assert data_settings.variables(report) == {}


def test_the_launchers_policy_reads_back_what_a_report_says() -> None:
    shipped = policy.load(PROJECT / POLICY_FILE).data_quality
    environment = variables(min_rows=500, max_staleness_days=90.0, key_columns="asof, sym,")
    found = policy.with_environment(shipped, environment)
    assert (found.min_rows, found.max_staleness_days) == (500, 90.0)
    assert found.key_columns == ("asof", "sym")
    assert policy.with_environment(shipped, {"DQ_MIN_ROWS": "", "PATH": "/bin"}) == shipped


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("DQ_MIN_ROWS", "many", policy.COUNT),
        ("DQ_MIN_ROWS", "1.5", policy.COUNT),
        ("DQ_MIN_ROWS", "-1", policy.COUNT),
        ("DQ_MAX_MISSING_RATIO", "1.5", policy.RATIO),
        ("DQ_MAX_STALENESS_DAYS", "nan", policy.NUMBER),
    ],
)
def test_a_variable_that_cannot_be_meant_is_refused(name: str, text: str, expected: str) -> None:
    shipped = policy.load(PROJECT / POLICY_FILE).data_quality
    with pytest.raises(Usage, match=f"{name}: expected {expected}, found '{text}'"):
        policy.with_environment(shipped, {name: text})
