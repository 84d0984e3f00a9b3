"""Which processes belong to a run: command lines that do, command lines that only look so,
families, pid files.
"""

import json
from pathlib import Path

import pytest

from postrun.core.errors import Usage
from postrun.remote.processes import describe, of_run
from postrun.remote.snapshots import Process

TAG = "run1"
RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"
CONFIGS = Path(__file__).resolve().parents[3] / "configs"
READERS = json.loads((CONFIGS / "workstation.json").read_text())["ignored_programs"]


def found(*lines: str, **more: object) -> list[int]:
    """Give the numbers, from 100 on, of the command lines that belong to the run; each is a child
    of init.
    """
    listed = [Process(100 + index, 1, line) for index, line in enumerate(lines)]
    given = {"gate_folders": [GATE], "ignored_programs": READERS, **more}
    return [process.pid for process in of_run(listed, TAG, RUN, **given)]


@pytest.mark.parametrize(
    "line",
    [
        "python run_production_gates.py --factor m --decision-tag run1 --owner hui",
        "python run_production_gates.py --decision-tag=run1",
        "bash scripts/workstation_official_run.sh --workflow production_gates --tag "
        "run1 --owner hui",
        "/srv/quant/.venv/bin/python3.11 scripts/workstation_official_run.py --tag run1",
        "python scripts/data_quality_gate.py --tag run1",
        "bash -c cd /srv/quant && python gates.py --tag 'run1' --factor m",
        'sh -c python gates.py --tag "run1"; echo done',
        "nohup nice -n 10 python gates.py --tag run1",
        f"python check_data.py --out-dir audit/workstation_runs/{RUN}/data_quality",
        f"python wf_shard.py --out /srv/quant/gate_results/{GATE}/walk_forward_stress/shard_01",
        f"tee -a audit/workstation_runs/{RUN}/run.log",
        "sudo -u quant python gates.py --tag run1",
        "ssh node7 python wf_shard.py --tag run1",
        "python gates.py --notes see make finalize --tag run1",
        "python -X faulthandler -W ignore gates.py --tag run1",
        "python -m research.gates --tag run1",
        "python -m cProfile -o out.prof gates.py --tag run1",
        "python -m pdb -m research.gates --tag run1",
        "uv run python gates.py --tag run1",
        "sudo -u tail python gates.py --tag run1",
        "taskset -c 0-3 nice -n 5 python gates.py --tag run1",
        f"bash -c cd /srv && tail -n 1 x | python gates.py --out audit/workstation_runs/{RUN}",
        f"bash -c while true; do python shard.py audit/workstation_runs/{RUN}; sleep 5; done",
        f"sh collect.sh audit/workstation_runs/{RUN}",
        f"python tail.py audit/workstation_runs/{RUN}/run.log",
        "python -m gates.tail --tag run1",
    ],
)
def test_a_process_of_the_run(line: str) -> None:
    assert found(line) == [100]


@pytest.mark.parametrize(
    "line",
    [
        "python gates.py --decision-tag run10",
        "python gates.py --decision-tag run1_rerun4",
        "python gates.py --decision-tag run1.2",
        "python gates.py --decision-tag run1/x",
        "python gates.py --decision-tag xrun1",
        "python gates.py --decision-tag=committee-run1",
        "python gates.py --no-tag run1",
        "python gates.py --tags run1",
        "python train.py run1",
        "python gates.py --factor run1",
        "python prerun1.py",
        f"python wf.py --out audit/workstation_runs/{RUN}0/x",
        f"python wf.py --out audit/workstation_runs/x{RUN}",
        f"python wf.py --out gate_results/{GATE}1",
        f"tail -f audit/workstation_runs/{RUN}/run.log",
        f"/usr/bin/less /srv/quant/audit/workstation_runs/{RUN}/run.log",
        f"sh -c tail -f audit/workstation_runs/{RUN}/run.log | grep IC",
        f"sudo vim audit/workstation_runs/{RUN}/context.json",
        f"rsync --server --sender -rt . /srv/quant/audit/workstation_runs/{RUN}/",
        f"ssh -o BatchMode=yes bench rsync --server --sender -rt . /srv/quant/audit/"
        f"workstation_runs/{RUN}/",
        f"bash -c rsync --server --sender -rt . /srv/quant/audit/workstation_runs/{RUN}/",
        "make monitor-then-finalize TAG=run1",
        "make official-run ARGS=--tag run1",
        "/usr/bin/make -C /srv finalize --tag run1",
        "inv monitor-then-finalize --tag run1",
        "/venv/bin/python /venv/bin/inv finalize --tag run1",
        "python scripts/monitor_then_finalize.py --tag run1 --interval 30",
        "bash scripts/monitor_then_finalize.sh --tag run1",
        "/bin/sh -c python scripts/post_run_sync_and_finalize.py --tag run1",
        "bash -c cd /srv && bash scripts/post_run_sync_and_finalize.sh --tag run1",
        "/venv/bin/python -u /srv/quant/scripts/detect_run.py --tag run1 --host local",
        "tmux new-session -d -s gates bash scripts/workstation_official_run.sh --tag run1",
        "sshd: hui@notty --tag run1",
        f"git add -f audit/workstation_runs/{RUN}/result.json",
        f"/venv/bin/python /venv/bin/pre-commit run --files audit/workstation_runs/"
        f"{RUN}/result.json",
        f"python scripts/validate_artifacts.py audit/workstation_runs/{RUN}/result.json",
        "[python] <defunct>",
        "",
        f"nvim --embed audit/workstation_runs/{RUN}/run.log",
        f"/snap/bin/nvim -R /srv/quant/audit/workstation_runs/{RUN}/run.log",
        f"/venv/bin/python /venv/bin/tensorboard --logdir gate_results/{GATE}",
        f"python3 -m tensorboard.main --logdir=/srv/quant/gate_results/{GATE}",
        f"/venv/bin/python3.11 /venv/bin/jupyter-lab --notebook-dir=gate_results/{GATE}",
        f"/venv/bin/python -m jupyter notebook audit/workstation_runs/{RUN}",
        f"/venv/bin/python -Xfrozen_modules=off -m ipykernel_launcher -f {RUN}/kernel-1.json",
        f"/venv/bin/python -m ipykernel -f /run/user/1/{RUN}/kernel-1.json",
        f"tar -czf /backup/run.tgz audit/workstation_runs/{RUN}",
        f"rsync -a /srv/quant/audit/workstation_runs/{RUN} /backup",
        f"rg IC audit/workstation_runs/{RUN}/run.log",
        f"zip -r run.zip gate_results/{GATE}",
        f"python3 -u -X faulthandler -m IPython audit/workstation_runs/{RUN}",
        f"python3 -m http.server --directory audit/workstation_runs/{RUN}",
        f"sort -t, -k2 gate_results/{GATE}/cost_stress_results.csv",
        f"sudo -u quant less audit/workstation_runs/{RUN}/run.log",
        f"nice -n 19 ionice -c 3 tar -cf x.tar audit/workstation_runs/{RUN}",
        f"env -C /srv PAGER=cat less audit/workstation_runs/{RUN}/run.log",
        f"timeout -s INT 60 tail -f audit/workstation_runs/{RUN}/run.log",
        f"bash -c cd /srv/quant && less audit/workstation_runs/{RUN}/run.log",
        f"sh -c while true; do tail -n 3 audit/workstation_runs/{RUN}/run.log; sleep 5; done",
        f"zsh -c tail -f audit/workstation_runs/{RUN}/run.log 2>&1 | rg --line-buffered IC",
        "python -X dev scripts/monitor_then_finalize.py --tag run1",
        "python -X dev -W error -u scripts/watch_runs.py --tag run1",
        "python -OO -B scripts/detect_run.py --tag run1",
        "python -m scripts.monitor_then_finalize --tag run1",
        "python -m monitor_then_finalize --tag run1",
        "python -m cProfile -o out.prof -s cumtime scripts/sync_run.py --tag run1",
        "python -m pdb -c continue -m monitor_then_finalize --tag run1",
        "uv run python scripts/monitor_then_finalize.py --tag run1",
    ],
)
def test_a_process_that_only_looks_so(line: str) -> None:
    assert found(line) == []


def test_descendants_count_whatever_they_are_called() -> None:
    family = [
        Process(10, 1, "python gates.py --tag run1"),
        Process(11, 10, "make shards"),
        Process(12, 11, "python shard.py --year 2014"),
        Process(13, 12, "sleep 100"),
        Process(14, 12, "tail -f x"),
        Process(20, 1, "python gates.py --tag run2"),
        Process(21, 20, "python shard.py --year 2014"),
    ]
    assert [process.pid for process in of_run(family, TAG, RUN, ignored_programs=READERS)] == [
        10,
        12,
        13,
    ]


def test_children_of_the_monitor_are_not_the_runs() -> None:
    family = [
        Process(10, 1, "make monitor-then-finalize TAG=run1"),
        Process(11, 10, "python scripts/monitor_then_finalize.py --tag run1"),
        Process(12, 11, "sh -c sleep 1"),
    ]
    assert of_run(family, TAG, RUN) == ()


def test_a_circle_of_parents_ends() -> None:
    assert len(of_run([Process(10, 11, "x --tag run1"), Process(11, 10, "y")], TAG, RUN)) == 2


LAUNCHER = Process(50, 1, "python3 -m something", started=1_000_000.0)
WRITTEN = {"pid": 50, "start_time": "1970-01-12T13:46:40Z", "boot_id": "boot1"}  # the same moment


@pytest.mark.parametrize(
    ("change", "process", "boot_id", "is_it"),
    [
        pytest.param({}, LAUNCHER, "boot1", True, id="the launcher"),
        pytest.param({}, LAUNCHER, None, True, id="a machine without boot ids"),
        pytest.param({"boot_id": None}, LAUNCHER, "boot1", True, id="no boot id in the file"),
        pytest.param({"start_time": None}, LAUNCHER, "boot1", True, id="no start in the file"),
        pytest.param({}, Process(50, 1, "x"), "boot1", True, id="ps gives no start"),
        pytest.param({}, Process(50, 1, "x", 1_000_002.0), "boot1", True, id="rounded"),
        pytest.param(
            {}, Process(50, 1, "x", 1_000_300.0), "boot1", False, id="the number was used again"
        ),
        pytest.param({}, LAUNCHER, "boot2", False, id="the machine was restarted"),
        pytest.param({}, Process(51, 1, "x", 1_000_000.0), "boot1", False, id="another number"),
        pytest.param(
            {"pid": 1}, Process(1, 0, "init"), "boot1", False, id="init is nobody's launcher"
        ),
        pytest.param({"pid": True}, Process(1, 0, "init"), "boot1", False, id="true is no number"),
        pytest.param({"pid": "50"}, LAUNCHER, "boot1", False, id="text is no number"),
        pytest.param(
            {}, Process(50, 1, "[python3] <defunct>", 1_000_000.0), "boot1", False, id="a zombie"
        ),
        pytest.param(
            {}, Process(50, 1, "(python3)", 1_000_000.0), "boot1", False, id="a zombie on macOS"
        ),
    ],
)
def test_the_pid_file_names_one_process(
    change: dict[str, object], process: Process, boot_id: str, is_it: bool
) -> None:
    text = json.dumps({**WRITTEN, **change})
    assert bool(of_run([process], TAG, RUN, pid_file=text, boot_id=boot_id)) is is_it


@pytest.mark.parametrize("text", ["", "{", "null", "[50]", '"50"', "\x00", "{}"])
def test_a_broken_pid_file_names_nobody(text: str) -> None:
    assert of_run([LAUNCHER], TAG, RUN, pid_file=text) == ()


def test_a_pid_file_that_is_nested_too_deep_names_nobody() -> None:
    assert of_run([LAUNCHER], TAG, RUN, pid_file="[" * 100_000) == ()


def test_a_bare_number_is_an_older_launchers_pid_file() -> None:
    child = Process(51, 50, "anything")
    assert of_run([LAUNCHER, child], TAG, RUN, pid_file="50\n") == (LAUNCHER, child)


def test_a_pattern_adds() -> None:
    assert found("julia wf.jl 2014", pattern=r"julia .*wf\.jl") == [100]
    assert found("grep julia wf.jl", pattern=r"wf\.jl") == [], "a reader stays a reader"


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(
        Usage, match=r"--process-pattern: expected a regular expression, found '\(' "
    ):
        found("x", pattern="(")


def test_without_a_folder_the_tag_alone_counts() -> None:
    assert of_run([Process(9, 1, "x --tag run1"), Process(10, 1, "y")], TAG, None)[0].pid == 9


def test_a_message_names_the_first_process_and_shortens_its_command() -> None:
    first = Process(7, 1, f"python {'x' * 200}")
    assert describe([first]) == f"process 7: python {'x' * 113}…"
    assert describe([Process(8, 1, "a b"), first]) == "process 8: a b and 1 more"
