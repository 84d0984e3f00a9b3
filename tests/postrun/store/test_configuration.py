"""Policies: complete and checked; the user's own file goes before the shipped one, the environment
before both.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from postrun.core import locations
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.locations import RunPaths
from postrun.store import configuration

SHIPPED = {
    "connect_timeout_s": 15,
    "host": "shipped",
    "ignored_programs": ["less"],
    "probe_timeout_s": 120,
    "remote_root": "/srv/shipped",
}


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand a project of the test's own behind the door."""
    monkeypatch.setattr(locations, "PROJECT", tmp_path)
    monkeypatch.setattr(configuration, "_PROJECT", RunPaths(tmp_path, "", None))
    put(tmp_path / "configs", "workstation", SHIPPED)
    return tmp_path / "configs"


def put(configs: Path, name: str, document: Any) -> None:
    configs.mkdir(exist_ok=True)
    (configs / f"{name}.json").write_text(json.dumps(document))


def test_a_workstation_that_nobody_named_is_said(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = "shipped", "/srv/shipped"
    assert "no workstation is configured" in configuration.why_not_configured(*usual)
    assert configuration.why_not_configured("bench", "/srv/shipped") == ""
    monkeypatch.setenv("POSTRUN_HOST", "shipped")
    assert configuration.why_not_configured(*usual) == ""
    monkeypatch.delenv("POSTRUN_HOST")
    put(configs, "workstation.local", {"host": "shipped"})
    assert configuration.why_not_configured(*usual) == ""


@pytest.mark.parametrize(
    ("policy", "digest"),
    [
        (
            "scoring_policy",
            "ce6b2aa87a4074980b0189e5a2b42e98a4f976d69633f303cb4e60ee92189863",
        ),
        (
            "candidate_queue_policy",
            "4003eda35a32f4c30c9799dd69573ddeab50dbc895ba5b25184ae81097e66d02",
        ),
        (
            "statistics_policy",
            "91510cab7ca4cd66b498fffec239770aa6ab14a23c11b14f9d1dde6202e48cfb",
        ),
    ],
)
def test_a_shipped_number_changes_on_purpose_only(policy: str, digest: str) -> None:
    """When this fails: raise `policy_version`, write the change into CHANGELOG, paste the new
    digest here.
    """
    assert configuration.digest(configuration.load(policy)) == digest


def test_the_shipped_file_counts_when_nothing_else_is_said(configs: Path) -> None:
    assert configuration.workstation() == SHIPPED
    assert left(configs) == ["workstation.json"], "reading makes no file"


def left(configs: Path) -> list[str]:
    return sorted(path.name for path in configs.iterdir())


def test_the_users_own_file_goes_first_and_the_environment_before_it(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(configs, "workstation.local", {"host": "mine", "probe_timeout_s": 3})
    assert configuration.workstation() == {**SHIPPED, "host": "mine", "probe_timeout_s": 3}
    monkeypatch.setenv("POSTRUN_HOST", "theirs")
    assert configuration.workstation() == {**SHIPPED, "host": "theirs", "probe_timeout_s": 3}
    monkeypatch.setenv("POSTRUN_REMOTE_ROOT", "/elsewhere")
    assert configuration.workstation()["remote_root"] == "/elsewhere"


@pytest.mark.usefixtures("configs")
def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTRUN_HOST", "")
    monkeypatch.setenv("POSTRUN_REMOTE_ROOT", "")
    assert configuration.workstation() == SHIPPED


@pytest.mark.parametrize(
    ("name", "document", "words"),
    [
        ("workstation", {"host": "x"}, "is a required property"),
        ("workstation", {**SHIPPED, "hots": "x"}, "hots"),
        ("workstation.local", {"probe_timeout_s": 0}, "$.probe_timeout_s"),
        ("workstation.local", {"hots": "x"}, "hots"),
        ("workstation.local", {"host": "-oProxyCommand=x"}, "$.host"),
    ],
)
def test_a_wrong_policy_is_refused_never_defaulted(
    configs: Path, name: str, document: Any, words: str
) -> None:
    put(configs, name, document)
    with pytest.raises(Invalid) as caught:
        configuration.workstation()
    assert words in str(caught.value)
    assert f"{name}.json" in str(caught.value)


def test_a_policy_that_is_gone_is_missing(configs: Path) -> None:
    (configs / "workstation.json").unlink()
    with pytest.raises(Missing, match=r"workstation\.json"):
        configuration.load("workstation")


LISTED = [("bench", "/srv/a"), ("other", "/srv/b"), ("two", "/srv/c"), ("two", "/srv/d")]


@pytest.mark.parametrize(
    ("host", "root", "expected"),
    [
        (None, None, ("bench", "/srv/usual")),
        ("", "", ("bench", "/srv/usual")),
        ("bench", None, ("bench", "/srv/usual")),
        ("other", None, ("other", "/srv/b")),
        ("other", "/x", ("other", "/x")),
        ("two", "/srv/c", ("two", "/srv/c")),
        ("new", None, ("new", "/srv/usual")),
        (None, "/x", ("bench", "/x")),
    ],
)
def test_a_listed_host_has_its_own_root(
    host: str | None, root: str | None, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [{"host": name, "remote_root": where} for name, where in LISTED]
    settings = {"host": "bench", "remote_root": "/srv/usual", "workstations": listed}
    monkeypatch.setattr(configuration, "workstation", lambda: settings)
    monkeypatch.delenv("POSTRUN_REMOTE_ROOT", raising=False)
    assert configuration.choose_workstation(host, root) == expected
    with pytest.raises(
        Usage, match="--remote-root: expected one of the roots of two: /srv/c, /srv/d, found none"
    ):
        configuration.choose_workstation("two", None)
    monkeypatch.setenv("POSTRUN_REMOTE_ROOT", "/srv/usual")
    assert configuration.choose_workstation("other", None) == ("other", "/srv/usual"), (
        "the environment goes before the file"
    )


@pytest.mark.parametrize(
    ("host", "root", "asked", "expected"),
    [
        ("bench", "/srv/usual", None, "slurm"),
        ("bench", "/x", None, "slurm"),
        ("bench", "/srv/usual", "none", None),
        ("bench", "/srv/a", None, None),
        ("other", "/srv/b", None, "slurm"),
        ("other", "/x", None, None),
        ("local", ".", None, None),
        ("local", ".", "slurm", "slurm"),
    ],
)
def test_a_workstation_has_its_own_scheduler(
    host: str, root: str, asked: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[dict[str, str]] = [{"host": "bench", "remote_root": "/srv/a"}]
    listed.append({"host": "other", "remote_root": "/srv/b", "scheduler": "slurm"})
    settings = {"host": "bench", "scheduler": "slurm", "workstations": listed}
    monkeypatch.setattr(configuration, "workstation", lambda: settings)
    assert configuration.scheduler(host, root, asked) == expected
