"""The benchmark of very large runs, on small ones: it measures, and says what."""

import json
import sys
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))

import large_runs


@pytest.mark.nightly
def test_small_runs_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.json"
    sizes = ["--rounds", "1", "--files", "20", "--gigabytes", "0.5"]
    # It raises when a program ends with another code than it should.
    assert large_runs.main([*sizes, "--json", str(path)]) == 0
    rows = json.loads(path.read_bytes())["large"]
    assert [row["what"] for row in rows] == [
        "poll with a log of 0.5 GB, s",
        "poll with a log of 0.5 GB / with a short log",
        "poll with a log of 0.5 GB / plain ssh",
        "sync of 20 small files, s",
        "sync of 20 small files / bare rsync",
        "from result.json to complete, intervals",
    ]
    for row in rows:
        assert 0 < row["min"] <= row["median"] <= row["max"]
    # The result is seen at the next poll, and that nothing has changed since at the one after.
    assert rows[-1]["min"] >= 1
    assert rows[0]["what"] in capsys.readouterr().out


def test_a_program_that_fails_is_named(tmp_path: Path) -> None:
    class Server:
        client_config = tmp_path / "none"

    bench = large_runs.Bench(tmp_path, Server())  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"^-c: 3, why"):
        bench.run(["sh", "-c", "echo why; exit 3"])
