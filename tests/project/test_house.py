"""The rules of the house: which floor may use which, one door for each package, and what every script must have."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import postrun
from postrun.layout import NOUNS, PROJECT, Home
from steps import VERBS, Verb

SCRIPTS = PROJECT / "scripts"
PROGRAMS = sorted(path for path in SCRIPTS.glob("*.py") if path.name != "steps.py")
FILES = sorted(path for path in SCRIPTS.rglob("*.py") if "__pycache__" not in path.parts)

FACTS = {"errors", "outcome", "layout", "clock", "disk", "gates", "states"}
FACTS |= {"belonging", "command", "history", "planning", "processes", "scoring", "screen"}
DOORS = {"artifacts", "tables", "render", "workstation"}
DOORS |= {"ledger", "policy", "catalogue", "evidence", "journal", "lookout", "notify", "patrol", "target", "verdict"}
CONDUCTORS = ("post_run_sync_and_finalize", "monitor_then_finalize", "watch_runs", "generate_docs")
FLOORS = {
    **dict.fromkeys((f"postrun.{name}" for name in FACTS), 0),
    **dict.fromkeys((f"postrun.{name}" for name in DOORS), 1),
    "postrun.cli": 2,
    "postrun.starting": 2,
    **dict.fromkeys((path.stem for path in PROGRAMS), 3),
    "steps": 4,
    **dict.fromkeys(CONDUCTORS, 5),
}
BESIDE = {  # what stands on one floor and may be used there all the same
    "postrun.policy": {"postrun.artifacts"},
    "postrun.catalogue": {"postrun.policy"},
    "postrun.ledger": {"postrun.artifacts"},
    "postrun.evidence": {"postrun.artifacts"},
    "postrun.journal": {"postrun.artifacts"},
    "postrun.lookout": {"postrun.artifacts", "postrun.policy", "postrun.journal"},
    "postrun.notify": {"postrun.artifacts", "postrun.policy", "postrun.verdict"},
    "postrun.patrol": {"postrun.ledger", "postrun.lookout", "postrun.policy", "postrun.workstation"},
    "postrun.target": {"postrun.artifacts"},
    "postrun.starting": {"postrun.cli", "postrun.workstation"},
    "postrun.verdict": {"postrun.artifacts", "postrun.ledger"},
    "watch_runs": {"post_run_sync_and_finalize"},
    "monitor_then_finalize": {"post_run_sync_and_finalize"},
}
ROOMS = {  # a script that outgrew one file has a folder; nobody else goes in
    "checks": {"governance_audit_checker"},
    "detection": {"detect_run"},
    "launcher": {"workstation_official_run", "data_quality_gate"},
    "review": {"generate_run_review"},
    "watching": {"watch_runs"},
}
KEEPERS = {  # each package has one door; the launcher starts programs, that is its work
    "jsonschema": {"postrun.artifacts"},
    "jsonschema_rs": {"postrun.artifacts"},
    "referencing": {"postrun.artifacts"},
    "jinja2": {"postrun.render"},
    "markupsafe": {"postrun.render"},
    "apprise": {"postrun.notify"},
    "fabric": {"postrun.workstation"},
    "invoke": {"postrun.workstation"},
    "paramiko": {"postrun.workstation"},
    "subprocess": {"postrun.workstation", "launcher"},
}


def unit(path: Path) -> str:
    """Name the unit a file belongs to: a script, a room of one, or a module of `postrun`."""
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    return ".".join(parts[:2]) if parts[0] == "postrun" else parts[0]


def imports(path: Path) -> Iterator[str]:
    """Give every module a file imports, anywhere in it: lazily, in a function, or for types only."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def floor(name: str) -> int:
    return 3 if name in ROOMS else FLOORS[name]


def own(path: Path) -> set[str]:
    """Give the units of this project that a file imports."""
    units = {unit(file) for file in FILES}
    cut = ({name, name.partition(".")[0], ".".join(name.split(".")[:2])} for name in imports(path))
    return {name for names in cut for name in names & units} - {unit(path), "postrun.__init__"}


def allowed(source: str, target: str) -> bool:
    if target in BESIDE.get(source, ()) or source in ROOMS.get(target, ()):
        return True
    here, there = floor(source), floor(target)
    if here == 4:
        return there in (0, 3)
    return there < here and not (here == 5 and there == 3) if here else there == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_imports_go_down_only(path: Path) -> None:
    if path.parent == SCRIPTS / "postrun" and path.stem == "__init__":
        return
    wrong = [f"{unit(path)} uses {target}" for target in sorted(own(path)) if not allowed(unit(path), target)]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_each_package_has_one_door(path: Path) -> None:
    packages = {name.partition(".")[0] for name in imports(path)}
    wrong = [package for package in packages & set(KEEPERS) if unit(path) not in KEEPERS[package]]
    ours = {name.partition(".")[0] for name in map(unit, FILES)}
    strange = packages - ours - set(KEEPERS) - set(sys.stdlib_module_names) - {"pandas"}
    assert (wrong, strange) == ([], set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_packages_are_imported_where_they_are_used(path: Path) -> None:
    """Imported at the top, pandas alone would cost every `--help` half a second."""
    top = [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.name if isinstance(node, ast.Import) else str(node.module) for node in top for name in node.names}
    assert {name.partition(".")[0] for name in names} & ({*KEEPERS, "pandas"} - {"subprocess"}) == set()


def test_the_package_docstring_is_the_room_plan() -> None:
    rooms = {path.stem for path in (SCRIPTS / "postrun").glob("*.py")} | {"workstation"}
    assert rooms == {*FACTS, *DOORS, "cli", "starting", "__init__"}
    assert [name for name in rooms - {"__init__"} if f" {name} " not in str(postrun.__doc__)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_functions_are_short(path: Path) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kinds)]
    long = {node.name: size for node in functions if (size := (node.end_lineno or 0) - node.lineno + 1) > 40}
    assert long == {}


@pytest.mark.parametrize("name", sorted({path.relative_to(SCRIPTS).parts[0].removesuffix(".py") for path in FILES}))
def test_no_script_hides_a_module_of_python(name: str) -> None:
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_every_script_has_the_same_shape(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    assert f"scripts/{path.stem}." in str(ast.get_docstring(tree)), "the docstring ends with an example line"
    (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert [argument.arg for argument in main.args.args] == ["argv"]
    assert [ast.unparse(default) for default in main.args.defaults] == ["None"]
    assert main.returns
    assert ast.unparse(main.returns) == "int"
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    raise SystemExit(main())"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_help_needs_nothing_but_python(path: Path, tmp_path: Path) -> None:
    """From another folder, uninstalled, without site-packages (-S)."""
    command = [sys.executable, "-S", str(path), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    doc = str(ast.get_docstring(ast.parse(path.read_bytes())))
    assert " ".join(doc.split()) in " ".join(done.stdout.split())


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_every_shell_script_is_a_two_line_shim(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("# ")]
    assert len(lines) == 2
    assert lines[0].startswith("#!")
    assert f"{path.stem}.py" in lines[1]
    assert path.with_suffix(".py").is_file()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_verbs_speak_of_nouns(verb: Verb) -> None:
    assert {*verb.reads, *verb.writes} <= set(NOUNS)
    assert [name for name in verb.writes if NOUNS[name].home is Home.PROJECT] == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_what_a_step_reads_is_there_by_then(verb: Verb) -> None:
    earlier = {name for before in VERBS[: VERBS.index(verb)] for name in before.writes}
    configs = {noun.name for noun in NOUNS.values() if noun.home is Home.PROJECT}
    assert set(verb.reads) <= earlier | configs


def test_no_two_steps_write_the_same() -> None:
    written = [name for verb in VERBS for name in verb.writes]
    assert sorted(written) == sorted(set(written))
    assert len({verb.name for verb in VERBS}) == len(VERBS)
