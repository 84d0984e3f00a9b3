"""What a step has read is noted, and nothing that was read outside of it."""

from postrun.core import step_notes


def test_what_is_read_in_a_step_is_its_input() -> None:
    step_notes.note("before.json", "0" * 64)
    with step_notes.performing("run-review"):
        step_notes.note("a.json", "1" * 64)
        step_notes.note("table.csv", "2" * 64, rows=3)
        with step_notes.unnoted():
            step_notes.note("another_run.json", "3" * 64)
        notes = step_notes.current()
    assert notes.step == "run-review"
    assert list(notes.inputs.values()) == [
        {"path": "a.json", "sha256": "1" * 64, "rows": None},
        {"path": "table.csv", "sha256": "2" * 64, "rows": 3},
    ]
    assert step_notes.current().inputs == {}
