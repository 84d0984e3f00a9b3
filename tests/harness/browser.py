"""A real Chromium, where this machine has one: pages are opened from the disk, without a network.

answer = browser.ask(page, "return document.title")
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
TIMEOUT = 180.0  # seconds: the machine may be busy
WITH_BROWSER = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: apt install chromium")
_ANSWER = re.compile(r"<pre id=\"answer\">(.*?)</pre>", re.DOTALL)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
# The page is in a frame of the width that is asked for: a window cannot be as narrow as a phone.
_FRAME = """<!DOCTYPE html>
<body style="margin:0"><pre id="answer"></pre>
<iframe src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {{
  const document_ = frame.contentDocument;
  const ask = (document, window) => {{ {script} }};
  document.getElementById("answer").textContent =
    JSON.stringify(ask(document_, frame.contentWindow));
}});
</script>
"""

# What is wider than the page, but for what can be scrolled inside a region with a name.
OVERFLOW = """
const wide = [...document.querySelectorAll("body *")].filter((element) =>
  !element.closest(".wide, svg") && element.getBoundingClientRect().right > window.innerWidth + 1);
const regions = [...document.querySelectorAll(".wide")];
return {
  overflow: wide.map((element) => element.outerHTML.slice(0, 80)),
  scrolls: document.documentElement.scrollWidth > window.innerWidth,
  unreachable: regions.filter((region) => region.tabIndex !== 0).length,
  requests: window.performance.getEntriesByType("resource").length,
};
"""


def ask(folder: Path, page: Path, script: str, width: int = 1440, dark: bool = False) -> Any:
    """Open a page, run a script about its `document` and `window`, and return what it returns.

    `folder` is where the frame around it is written. The page must say nothing on the console.
    """
    assert PROGRAM is not None
    frame = folder / "frame.html"
    frame.write_text(_FRAME.format(page=page.as_uri(), width=width, script=script))
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *("--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom"),
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={max(width, 500)},900",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]
    done = subprocess.run(
        [PROGRAM, *flags, frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    answer = _ANSWER.search(done.stdout)
    assert answer, done.stdout
    text = re.sub("|".join(_ENTITIES), lambda match: _ENTITIES[match[0]], answer[1])
    return json.loads(text)
