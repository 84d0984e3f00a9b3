"""Where the marks of a family's picture are: Student's t of each trial, oldest first."""

from collections.abc import Iterable
from typing import Any

# In units of the picture; the edge is for labels.
WIDTH = 720
HEIGHT = 240
EDGE = 48
MOST_TRIALS = 300  # of one picture: more marks than a page is wide
_LEAST = 4.0  # t up to which the axis reaches at least

# What the text of a mark says.
_SHOWN = ("trial", "decision_tag", "wf_t", "verdict")

Row = dict[str, Any]


def draw(rows: Iterable[Row], hurdle: float) -> Row | None:
    """Return the marks of the newest trials with a t; None without any."""
    measured = [row for row in rows if row["wf_t"] is not None]
    shown = measured[-MOST_TRIALS:]
    if not shown:
        return None
    values = [row["wf_t"] for row in shown]
    top = max(_LEAST, hurdle, *values)
    bottom = min(-1.0, *values)

    def height(t: float) -> float:
        share: float = (top - t) / (top - bottom)
        return round(EDGE / 2 + share * (HEIGHT - EDGE), 1)

    step = (WIDTH - 2 * EDGE) / max(len(shown), 2)
    marks = []
    for number, row in enumerate(shown):
        x = round(EDGE + (number + 0.5) * step, 1)
        y = height(row["wf_t"])
        mark = {
            "x": x,
            "y": y,
            **{name: row.get(name) for name in _SHOWN},
        }
        marks.append(mark)
    return {
        "marks": marks,
        "left_out": len(measured) - len(shown),
        "zero": height(0.0),
        "hurdle": height(hurdle),
        "hurdle_t": hurdle,
        "width": WIDTH,
        "height": HEIGHT,
        "edge": EDGE,
    }
