"""The pre-commit hook, with the real git and the real pre-commit: here, and from a repository of
somebody else.
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.factory import make_run
from postrun.core.artifacts import Home
from postrun.core.locations import PROJECT
from validate_artifacts import VALIDATED_HOMES, files_pattern

OWN = PROJECT / ".pre-commit-config.yaml"
OFFERED = PROJECT / ".pre-commit-hooks.yaml"


def hook(path: Path) -> dict[str, Any]:
    """Give the validator's hook out of a pre-commit file."""
    yaml: Any = import_module("yaml")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    hooks = (
        found
        if isinstance(found, list)
        else [hook for repo in found["repos"] for hook in repo["hooks"]]
    )
    (ours,) = [hook for hook in hooks if hook["id"] == "validate-artifacts"]
    return dict(ours)


@pytest.mark.parametrize(
    ("path", "homes"),
    [(OWN, tuple(Home)), (OFFERED, VALIDATED_HOMES)],
    ids=lambda value: str(value),
)
def test_hooks_are_called_for_the_artifacts_of_the_table(
    path: Path, homes: tuple[Home, ...]
) -> None:
    """When this fails, run `make docs`."""
    assert hook(path)["files"] == files_pattern(*homes)


def test_the_projects_own_hook_runs_the_validator() -> None:
    assert shlex.split(hook(OWN)["entry"])[-1] == "scripts/validate_artifacts.py"


@dataclass
class Repository:
    """A git repository with pre-commit installed."""

    folder: Path
    home: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("GIT_", "PRE_COMMIT"))
        }
        who = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
        env = {**clean, **dict.fromkeys(who, "test@example.org"), "GIT_CONFIG_GLOBAL": os.devnull}
        env["PRE_COMMIT_HOME"] = str(self.home)
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )

    def must(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def begin(self) -> "Repository":
        self.folder.mkdir(exist_ok=True)
        self.must("git", "init", "--quiet")
        return self

    def install(self, config: dict[str, Any]) -> "Repository":
        (self.folder / ".pre-commit-config.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.must("git", "add", ".pre-commit-config.yaml")
        self.must(sys.executable, "-m", "pre_commit", "install", "--install-hooks")
        return self

    def commit(self) -> subprocess.CompletedProcess[str]:
        self.must("git", "add", "--all")
        return self.run("git", "commit", "--quiet", "--message", "Close a run")

    @property
    def commits(self) -> int:
        return len(self.run("git", "rev-list", "--all").stdout.split())


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "theirs", tmp_path / "pre-commit").begin()


def refuses_broken_and_lets_good_through(repository: Repository) -> None:
    made = make_run(
        repository.folder, lambda made: made.context.update(threads="eight"), tag="run1"
    )
    context = made.run_dir(repository.folder) / "context.json"
    (repository.folder / "package.json").write_text("{not ours}")
    refused = repository.commit()
    shown = context.relative_to(repository.folder).as_posix()
    assert refused.returncode == 1
    assert (
        f"{shown}: $.threads: 'eight' is not of type 'integer', 'null'"
        in refused.stdout + refused.stderr
    )
    assert "package.json" not in refused.stdout + refused.stderr
    assert repository.commits == 0
    context.write_text(context.read_text().replace('"eight"', "8"))
    done = repository.commit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert repository.commits == 1


def test_a_commit_of_a_broken_artifact_is_refused(repository: Repository) -> None:
    entry = shlex.join([sys.executable, str(PROJECT / "scripts/validate_artifacts.py")])
    ours = {**hook(OWN), "entry": entry}
    repository.install({"repos": [{"repo": "local", "hooks": [ours]}]})
    refuses_broken_and_lets_good_through(repository)


def test_another_repository_can_use_the_hook(repository: Repository, tmp_path: Path) -> None:
    """Only the download of packages is left out: the clone's environment is a pointer
    to this one.
    """
    project = published(tmp_path)
    revision = project.must("git", "rev-parse", "HEAD").strip()
    using = {"repo": str(project.folder), "rev": revision, "hooks": [{"id": "validate-artifacts"}]}
    repository.install({"repos": [using]})
    (clone,) = {path.parents[1] for path in repository.home.glob("*/.ci/hook")}
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (python.parent / ".hook").touch()
    refuses_broken_and_lets_good_through(repository)


def published(tmp_path: Path) -> Repository:
    """Commit the project as it lies here, without what git ignores, to a repository of its own."""
    project = Repository(tmp_path / "project", tmp_path / "unused")
    flags = ("-z", "--cached", "--others", "--exclude-standard")
    wanted = (".ci", "scripts", "schemas", ".pre-commit-hooks.yaml")
    listed = Repository(PROJECT, tmp_path / "unused").must("git", "ls-files", *flags, "--", *wanted)
    for name in (name for name in listed.split("\0") if (PROJECT / name).is_file()):
        copy = project.folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((PROJECT / name).read_bytes())
        copy.chmod((PROJECT / name).stat().st_mode)
    project.begin()
    assert project.commit().returncode == 0
    return project
