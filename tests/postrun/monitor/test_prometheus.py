"""The file for Prometheus: what a real parser of its format makes of a watch."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.fake_workstations import (
    OUTAGE,
    FakeClock,
    FakePolls,
    FakeWorkstation,
    absent,
    busy,
    complete,
    run_folder,
    silent,
)
from postrun.core.errors import Missing, Usage
from postrun.core.request import RunRequest
from postrun.monitor import prometheus
from postrun.monitor.discovery import RunDiscovery
from postrun.monitor.display import Display
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.loop import MonitorLoop
from postrun.monitor.prometheus import PrometheusFile
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import Screen
from postrun.monitor.states import Limits, State
from postrun.remote.snapshots import HostSnapshot

PROMTOOL = shutil.which("promtool")
WALL = 1_800_000_000.0
Series = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def _fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    monkeypatch.setattr("time.time", lambda: WALL)


def parse(content: bytes) -> dict[str, Series]:
    """Return the series of each metric as the official parser reads them, by label values."""
    parser = pytest.importorskip(
        "prometheus_client.parser", reason="prometheus-client is not installed"
    )
    metrics: dict[str, Series] = {}
    for family in parser.text_string_to_metric_families(content.decode()):
        assert family.type == "gauge"
        assert family.documentation
        series: Series = {}
        for sample in family.samples:
            assert sample.timestamp is None, "node_exporter refuses times of our own"
            key = tuple(sample.labels.values())
            assert key not in series, f"{key} twice"
            series[key] = sample.value
        metrics[family.name] = series
    assert set(metrics) <= set(prometheus.HELP)
    return metrics


class Watched:
    """A watch of fake workstations that writes a file, and each content that the file had."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "workspace"
        self.root.mkdir()
        self.folder = tmp_path / "textfiles"
        self.folder.mkdir()
        self.path = self.folder / "postrun.prom"
        self.clock = FakeClock()
        self.problems: list[str] = []
        self.contents: list[bytes] = []

    def run(self, *worlds: dict[int, Any], **limits: float) -> None:
        hosts = []
        for number, world in enumerate(worlds):
            request = RunRequest(self.root, host=f"bench{number}", remote_root="/root")
            poll = FakeWorkstation(self.clock, world).poll
            limit = Limits(**{"appear_timeout": 600.0, **limits})
            discovery = RunDiscovery(self.root, None)
            hosts.append(HostMonitor(request, poll, limit, 0.0, discovery))
        display = Display(hosts, Screen())
        self.loop = MonitorLoop(hosts, display, self.close, 600.0)
        self.loop.polls = FakePolls(self.clock)
        self.loop.metrics = self.file(hosts)
        write = self.loop.metrics.write

        def record(*arguments: Any, **flags: Any) -> None:
            write(*arguments, **flags)
            if self.path.is_file():
                self.contents.append(self.path.read_bytes())

        self.loop.metrics.write = record  # type: ignore[method-assign]
        self.loop.run("resume with: this")

    def file(self, hosts: Sequence[HostMonitor] = ()) -> PrometheusFile:
        return PrometheusFile(self.root, self.path, hosts, self.problems.append)

    def close(self, *_: object, **__: object) -> int:
        self.clock.time += 100
        return 1

    def series(self) -> list[dict[str, Series]]:
        return [parse(content) for content in self.contents]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def state_of(metrics: dict[str, Series], tag: str) -> list[str]:
    """Return the states that a run has; the metric has every state of it."""
    of_run = {key[5]: on for key, on in metrics["postrun_run_state"].items() if key[3] == tag}
    assert sorted(of_run) == sorted(map(str, State))
    return [state for state, on in of_run.items() if on]


def test_every_poll_is_in_the_file(watched: Watched) -> None:
    watched.run({0: [busy("a")], 60: [complete("a")]}, {0: [silent("b")], 30: OUTAGE}, outage=90)
    series = watched.series()
    states = [
        state_of(metrics, "a")
        for metrics in series
        if any(key[3] == "a" for key in metrics.get("postrun_run_state", ()))
    ]
    seen = [state for states_now in states for state in states_now]
    assert list(dict.fromkeys(seen)) == ["running", "settling", "complete"]
    assert all(len(states_now) <= 1 for states_now in states)
    last = series[-1]
    run_a = ("postrun", "bench0", "/root", "a", run_folder("a"))
    assert last["postrun_run_exit_code"][run_a] == 1
    assert last["postrun_workstation_up"] == {
        ("postrun", "bench0", "/root"): 1,
        ("postrun", "bench1", "/root"): 0,
    }
    assert state_of(last, "b") == ["unreachable"]


def test_the_file_says_that_a_run_is_being_closed_and_that_the_watch_has_ended(
    watched: Watched,
) -> None:
    watched.run({0: [complete("a")]})
    told = []
    for metrics in watched.series():
        pair = metrics["postrun_watch_active"], metrics["postrun_watch_closing"]
        told.append(tuple(series["postrun",] for series in pair))
    assert list(dict.fromkeys(told)) == [(1, 0), (1, 1), (0, 0)]
    assert told[0] == (1, 0), "written before the first answer"
    assert told[-1] == (0, 0)


def test_times_are_those_of_the_wall_clock(watched: Watched) -> None:
    grown = busy("a", log_tail="more\n")
    watched.run({0: [busy("a")], 100: [grown]}, deadline=200)
    metrics = watched.series()[-1]
    run_a = ("postrun", "bench0", "/root", "a", run_folder("a"))
    end = WALL
    assert metrics["postrun_watch_timestamp_seconds"] == {("postrun",): end}
    answer = metrics["postrun_workstation_answer_timestamp_seconds"]["postrun", "bench0", "/root"]
    assert end - 30 <= answer <= end
    began = end - watched.clock.time
    assert metrics["postrun_run_state_timestamp_seconds"][run_a] == began
    assert began + 100 <= metrics["postrun_run_log_timestamp_seconds"][run_a] <= began + 130


def test_what_is_not_known_has_no_series(watched: Watched) -> None:
    watched.run({0: OUTAGE}, outage=50)
    first, last = watched.series()[0], watched.series()[-1]
    assert set(first) == {f"postrun_watch_{name}" for name in _OF_WATCH}
    assert set(last) == {*first, "postrun_workstation_up"}


_OF_WATCH = ("timestamp_seconds", "active", "closing")


def unused(*_: object) -> HostSnapshot:
    raise OUTAGE


def test_a_run_without_a_folder_is_waited_for(watched: Watched) -> None:
    request = RunRequest(watched.root, tag="a", host="bench", remote_root="/root")
    monitor = RunMonitor(request, "a", Limits(), 0.0)
    monitor.take(absent("a"), 5.0)
    host = HostMonitor(request, unused, Limits(), 0.0, monitors={"a": monitor})
    watched.file([host]).write(5.0)
    metrics = parse(watched.path.read_bytes())
    assert state_of(metrics, "a") == ["waiting"]
    assert "postrun_run_exit_code" not in metrics


HOSTILE = ['a"b', "a\\b", "a\nb", 'end"} 1\npostrun_up 2', "\x1b[2J\x00", "ü\u202e\ud800", "{}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_of_a_label_breaks_a_line(text: str) -> None:
    labels = {"workstation": text, "root": text}
    content = prometheus.encode([("postrun_workstation_up", labels, 1)], text)
    ((key, value),) = parse(content)["postrun_workstation_up"].items()
    assert value == 1
    assert content.count(b"\n") == 3
    for part in key:
        assert "\n" not in part
        assert "\x1b" not in part
    if text.isprintable():
        assert key == (text, text, text)


def test_old_ends_leave_the_file(watched: Watched) -> None:
    request = RunRequest(watched.root, host="bench", remote_root="/root")
    host = HostMonitor(request, unused, Limits(), 0.0)
    for number in range(250):
        tag = f"t{number}"
        monitor = RunMonitor(request, tag, Limits(), 0.0)
        host.monitors[tag] = monitor
        if number:
            monitor.end_with(Missing("x", "y", "z"))
            monitor.report(3)
    watched.file([host]).write(0.0)
    metrics = parse(watched.path.read_bytes())
    tags = {key[3] for key in metrics["postrun_run_state"]}
    assert tags == {"t0", *(f"t{number}" for number in range(150, 250))}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_takes_it(watched: Watched) -> None:
    watched.run({0: [busy("a")], 60: [complete("a")]}, {0: [silent("b")], 30: OUTAGE}, outage=90)
    labels = dict.fromkeys(("workstation", "root"), HOSTILE[3])
    contents = [*watched.contents, prometheus.encode([("postrun_workstation_up", labels, 1)], "x")]
    for content in contents:
        command = [str(PROMTOOL), "check", "metrics"]
        done = subprocess.run(command, input=content, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_folder_that_is_lost_is_one_line_and_the_watch_goes_on(watched: Watched) -> None:
    watched.folder.rmdir()
    watched.run({0: [busy("a")], 60: [complete("a")]})
    assert watched.problems == [
        f"metrics are not written: {watched.folder}: expected a folder, found none; make it first"
    ]
    assert [row.exit_code for row in watched.loop.rows] == [1]
    assert not watched.folder.exists()


def test_it_is_written_again_when_the_folder_is_back(watched: Watched) -> None:
    file = watched.file()
    other = b"another program's\n"
    for content in (None, other, other, None, other):
        if content is None:
            watched.path.unlink(missing_ok=True)
        else:
            watched.path.write_bytes(content)
        file.write(0.0)
    assert len(watched.problems) == 2
    assert watched.problems[0].startswith("metrics are not written: --prometheus: expected a new")
    assert watched.path.read_bytes() == other


def test_readers_never_see_half_a_file(watched: Watched) -> None:
    """Only names that end in .prom are read: the unfinished file has another."""
    file = watched.file()
    file.write(0.0)
    before = watched.path.stat().st_ino
    opened = watched.path.open("rb")
    content = opened.read(10)
    file.write(1.0)
    assert watched.path.stat().st_ino != before
    assert (content + opened.read()).endswith(b"\n")
    opened.close()
    assert list(watched.folder.iterdir()) == [watched.path]
    assert watched.path.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("name", ["postrun.txt", "postrun", ".prom"])
def test_another_name_is_refused(watched: Watched, name: str) -> None:
    watched.path = watched.folder / name
    with pytest.raises(Usage, match=r"--prometheus: expected a name that ends in \.prom, found"):
        watched.file().check()


def test_a_file_of_the_workspace_is_refused(watched: Watched) -> None:
    (watched.root / "audit").mkdir()
    watched.path = watched.root / "audit/x.prom"
    with pytest.raises(Usage, match="outside of audit/ and gate_results/"):
        watched.file().check()
