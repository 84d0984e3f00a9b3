"""Take the pictures at the top of README.md with Chromium: a run review and the start page.

reads   the workspace of `make demo-trials`, .demo/trials/home, or another one
writes  docs/pictures/run_review.png and site.png, 1100 pixels wide
exit    0 done; 1 no Chromium, no such run, or Chromium took no picture

    python examples/take_pictures.py [--workspace FOLDER] [--tag TAG]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_workstation import PROJECT

WORKSPACE = PROJECT / ".demo" / "trials" / "home"
PICTURES = PROJECT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH = 1100  # pixels
REVIEW_HEIGHT, SITE_HEIGHT = 1130, 700
MINUTE = 60.0


class NoPicture(Exception):
    """What is needed for a picture is not there."""


def find_browser() -> str:
    """Return Chromium's path. Raises NoPicture."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise NoPicture("no Chromium here: apt install chromium")


def find_review(workspace: Path, tag: str) -> Path:
    """Return the review page of the run with this tag. Raises NoPicture."""
    for document in sorted(workspace.rglob("production_gates_run_review.json")):
        review = json.loads(document.read_text(encoding="utf-8"))
        if review["decision_tag"] == tag:
            return document.with_suffix(".html")
    raise NoPicture(f"no closed run with tag {tag} in {workspace}: run `make demo-trials` first")


def take(browser: str, page: Path, picture: Path, height: int) -> None:
    """Take a picture of the page's upper part, in light colours. Raises NoPicture."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        # Without a sandbox: root, as in a container, has none.
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        flags += ["--blink-settings=preferredColorScheme=1", f"--user-data-dir={profile}"]
        flags += [f"--window-size={WIDTH},{height}", f"--screenshot={picture}"]
        command = [browser, *flags, page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MINUTE, check=False)
    if done.returncode or not picture.is_file():
        raise NoPicture(f"Chromium took no picture of {page}: {done.stderr.strip()[-300:]}")
    print(picture)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", type=Path, default=WORKSPACE, help="closed runs")
    parser.add_argument("--tag", default="momentum_6_1", help="the run (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="where they go")
    given = parser.parse_args(argv)
    try:
        browser = find_browser()
        review = find_review(given.workspace, given.tag)
        take(browser, review, given.pictures / "run_review.png", REVIEW_HEIGHT)
        start_page = given.workspace / "audit/site/index.html"
        take(browser, start_page, given.pictures / "site.png", SITE_HEIGHT)
    except NoPicture as problem:
        print(f"take_pictures.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
