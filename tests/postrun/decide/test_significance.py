"""q by Student's t: worked out with scipy's distribution, and when there is none."""

from typing import Any

import pytest
from scipy import stats

from postrun.decide import significance
from postrun.decide.significance import OfFactor

# factor, mean IC, standard deviation, n
FACTORS = (
    ("a", 0.048, 0.033, 8),
    ("b", 0.01, 0.05, 13),
    ("c", -0.03, 0.04, 8),
    ("d", 0.02, 0.03, 13),
)


def make_table(two_sided: bool) -> list[dict[str, Any]]:
    """Return the table of a producer that takes z for t, or that is right and looks at one side."""
    rows = []
    for factor, mean, deviation, n in FACTORS:
        t = mean / deviation * n**0.5
        p = 2 * stats.norm.sf(abs(t)) if two_sided else stats.t.sf(t, n - 1)
        rows.append(
            {
                "factor": factor,
                "ic_mean": str(mean),
                "ic_std": str(deviation),
                "n": str(n),
                "p_value": float(p),
                "q_value_bh": 0.5,
            }
        )
    return rows


@pytest.mark.parametrize("two_sided", [True, False])
def test_q_has_as_many_sides_as_the_producers(two_sided: bool) -> None:
    ps = []
    for _, mean, deviation, n in FACTORS:
        t = mean / deviation * n**0.5
        ps.append(2 * stats.t.sf(abs(t), n - 1) if two_sided else stats.t.sf(t, n - 1))
    expected = stats.false_discovery_control(ps, method="bh")
    table = make_table(two_sided)
    for place, (factor, *_) in enumerate(FACTORS):
        found = significance.of_factor(table, factor)
        assert found.q_student == pytest.approx(expected[place], abs=1e-12)
        assert found.p_student == pytest.approx(ps[place], abs=1e-12)
        assert found.p_value == table[place]["p_value"]
        assert found.rule == ("two-sided normal" if two_sided else "one-sided Student")


def test_a_factor_without_t_is_none_of_them() -> None:
    table = make_table(two_sided=True)
    alone = significance.of_factor(table[:2], "a")
    unknown = {"factor": "e", "ic_mean": "", "ic_std": "0.1", "n": "8", "p_value": None}
    same = {"factor": "f", "ic_mean": "0.1", "ic_std": "0", "n": "8", "p_value": 1.0}
    one = {"factor": "g", "ic_mean": "0.1", "ic_std": "0.1", "n": "1", "p_value": None}
    assert significance.of_factor([*table[:2], unknown, same, one], "a") == alone
    for factor, p in (("e", None), ("f", 1.0), ("g", None)):
        found = significance.of_factor([*table, unknown, same, one], factor)
        assert found == OfFactor(p)


def test_a_table_that_does_not_say_it_gives_none() -> None:
    table = make_table(two_sided=True)
    assert significance.of_factor(table, "another") == OfFactor()
    assert significance.of_factor([*table, table[0]], "a") == OfFactor()
    for row in table:
        del row["ic_std"]
    assert significance.of_factor(table, "a") == OfFactor(table[0]["p_value"])


def test_the_other_names_of_the_columns_count() -> None:
    table = make_table(two_sided=True)
    expected = significance.of_factor(table, "a")
    for row in table:
        row["std"] = row.pop("ic_std")
        row["n_windows"] = row.pop("n")
    assert significance.of_factor(table, "a") == expected
