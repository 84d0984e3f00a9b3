"""The script that takes README's pictures, with a real browser where there is one."""

import struct
from pathlib import Path

import made_runs
import pytest
import take_pictures

from harness import browser
from harness.workspace import Workspace

PNG = b"\x89PNG\r\n\x1a\n"


@browser.WITH_BROWSER
def test_both_pictures_are_taken(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "remote", tmp_path / "local")
    ics = made_runs.good_ics(1)
    made_runs.made_run("shown", "2026-01-05_031500", "made_value", ics).write(workspace.remote)
    workspace.close("shown")
    where = ["--workspace", str(workspace.local), "--pictures", str(tmp_path / "pictures")]
    assert take_pictures.main([*where, "--tag", "shown"]) == 0
    for name in ("run_review.png", "site.png"):
        picture = (tmp_path / "pictures" / name).read_bytes()
        assert picture.startswith(PNG)
        (width,) = struct.unpack(">I", picture[16:20])
        assert width == take_pictures.WIDTH
        # An empty page of this size compresses to a tenth of that.
        assert len(picture) > 20_000


@browser.WITH_BROWSER
def test_a_run_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take_pictures.main(["--workspace", str(tmp_path), "--tag", "none"]) == 1
    assert f"no closed run with tag none in {tmp_path}" in capsys.readouterr().err


def test_no_browser(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(take_pictures, "BROWSERS", ("no-such-browser",))
    assert take_pictures.main([]) == 1
    assert capsys.readouterr().err == "take_pictures.py: no Chromium here: apt install chromium\n"
