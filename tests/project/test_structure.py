"""The structure of the code: which layer may use which, and what every script must have."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.locations import PROJECT
from steps import STEPS, Step

SCRIPTS = PROJECT / "scripts"
PROGRAMS = sorted(path for path in SCRIPTS.glob("*.py") if path.name != "steps.py")
FILES = sorted(path for path in SCRIPTS.rglob("*.py") if "__pycache__" not in path.parts)

# Each layer may use those before it, and a package its own modules; packages of one layer stay
# apart.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("store", "decide"),
    ("remote",),
    ("summary", "registry"),
    ("detect", "audit", "review", "planner", "monitor", "launcher", "overview", "verify"),
    ("retention", "team"),
    ("flags", "ending"),
    ("cli",),
    ("scripts",),
    ("steps",),
    ("conductors",),
    ("on_slurm",),
)
CONDUCTORS = (
    "post_run_sync_and_finalize",
    "monitor_then_finalize",
    "watch_runs",
    "approve_run",
    "settle_failure",
    "generate_docs",
    "verify_workspace",
    "retention_plan",
    "retention_archive",
    "pull_runs",
    "choose_closing",
)
# They let Slurm run other scripts, and join what these have read.
ON_SLURM = ("rebuild_on_slurm", "verify_on_slurm")
# Each third-party package is imported in one place; the launcher starts programs, that is its work.
IMPORTERS = {
    "jsonschema": {"postrun.store.json_files"},
    "jsonschema_rs": {"postrun.store.json_files"},
    "referencing": {"postrun.store.json_files"},
    "jinja2": {"postrun.store.page_files"},
    "markupsafe": {"postrun.store.page_files"},
    "apprise": {"postrun.monitor.notify"},
    "fabric": {"postrun.remote.fabric_host"},
    "invoke": {"postrun.remote.fabric_host"},
    "paramiko": {"postrun.remote.fabric_host"},
    "rocrate": {"postrun.store.crate"},
    "duckdb": {"postrun.store.sql_engine"},
    "mlflow": {"postrun.store.mlflow_client"},
    "google": {"postrun.store.mlflow_client"},
    "requests": {"postrun.store.mlflow_client"},
    "boto3": {"postrun.team.bucket"},
    "botocore": {"postrun.team.bucket"},
    "numpy": {"postrun.decide.sign_flips"},
    "subprocess": {
        "postrun.core.version",
        "postrun.store.ssh_keygen",
        "postrun.remote.commands",
        "postrun.remote.openssh",
        "postrun.launcher.machine",
        "postrun.launcher.run_folder",
        "postrun.launcher.supervisor",
    },
}


def module(path: Path) -> str:
    """Return the dotted name of a file: a script, or a module of `postrun`."""
    return ".".join(path.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__")


def part_of(name: str) -> str:
    """Return the part of the structure that a module belongs to: a package, `cli`, `scripts` ..."""
    parts = name.split(".")
    if parts[0] == "postrun":
        return parts[1] if len(parts) > 1 else "core"
    if name in ON_SLURM:
        return "on_slurm"
    return "conductors" if name in CONDUCTORS else "steps" if name == "steps" else "scripts"


def layer(part: str) -> int:
    """Return the number of the layer, 0 the lowest."""
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def imports(path: Path) -> Iterator[str]:
    """Give every module a file imports, anywhere in it: lazily, in a function, or for
    types only.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            yield from (f"{node.module}.{name.name}" for name in node.names)


OWN = {module(path) for path in FILES}


def used(path: Path) -> set[str]:
    """Return the modules of this project that a file imports."""
    return {
        name for full in imports(path) for name in (full, full.rpartition(".")[0]) if name in OWN
    } - {"postrun"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_imports_go_down_only(path: Path) -> None:
    here = part_of(module(path))
    wrong = []
    for name in used(path):
        there = part_of(name)
        inside = there == here and here not in ("scripts", "conductors")
        # Monitor, watch and approval close a run as `make finalize` does: by the conductor itself.
        closes = here == "conductors" and name == "post_run_sync_and_finalize"
        if not (inside or closes or layer(there) < layer(here)):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_each_package_is_imported_in_one_place(path: Path) -> None:
    packages = {name.partition(".")[0] for name in imports(path)}
    wrong = [name for name in packages & set(IMPORTERS) if module(path) not in IMPORTERS[name]]
    ours = {name.partition(".")[0] for name in OWN}
    strange = packages - ours - set(IMPORTERS) - set(sys.stdlib_module_names) - {"pandas"}
    assert (wrong, strange) == ([], set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_packages_are_imported_where_they_are_used(path: Path) -> None:
    """Imported at the top, pandas alone would cost every `--help` half a second.

    The module that imports numpy is itself imported where it is used.
    """
    top = [
        node
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {
        name.name if isinstance(node, ast.Import) else str(node.module)
        for node in top
        for name in node.names
    }
    assert {name.partition(".")[0] for name in names} & (
        {*IMPORTERS, "pandas"} - {"subprocess", "numpy"}
    ) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_functions_are_short(path: Path) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kinds)]
    long = {
        node.name: size
        for node in functions
        if (size := (node.end_lineno or 0) - node.lineno + 1) > 52
    }
    assert long == {}


@pytest.mark.parametrize(
    "name", sorted({path.relative_to(SCRIPTS).parts[0].removesuffix(".py") for path in FILES})
)
def test_no_script_hides_a_module_of_python(name: str) -> None:
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_every_script_has_the_same_shape(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    assert f"scripts/{path.stem}." in str(ast.get_docstring(tree)), (
        "the docstring ends with an example line"
    )
    (main,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
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


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_verbs_speak_of_nouns(step: Step) -> None:
    assert {*step.reads, *step.writes} <= set(ARTIFACTS)
    assert [name for name in step.writes if ARTIFACTS[name].home is Home.PROJECT] == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_a_step_reads_is_there_by_then(step: Step) -> None:
    earlier = {name for before in STEPS[: STEPS.index(step)] for name in before.writes}
    configs = {artifact.name for artifact in ARTIFACTS.values() if artifact.home is Home.PROJECT}
    assert set(step.reads) <= earlier | configs


def test_no_two_steps_write_the_same() -> None:
    written = [name for step in STEPS for name in step.writes]
    assert sorted(written) == sorted(set(written))
    assert len({step.name for step in STEPS}) == len(STEPS)


def has_function(path: Path) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(node, kinds) for node in ast.walk(ast.parse(path.read_bytes())))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_every_script_and_module_has_its_test(path: Path) -> None:
    """Where two packages have a module of one name, the package may stand before it."""
    if path.name == "__init__.py" or not has_function(path):
        return
    parts = path.relative_to(SCRIPTS).parts
    folder = PROJECT / "tests" / (Path(*parts[:-1]) if len(parts) > 1 else "scripts")
    names = [f"test_{path.name}", f"test_{path.parent.name}_{path.name}"]
    assert [name for name in names if (folder / name).is_file()], f"expected {folder / names[0]}"
