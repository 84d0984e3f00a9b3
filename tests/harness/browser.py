"""A real Chromium, where this machine has one: pages are opened from the disk, without a network.

answer = browser.ask(page, "return document.title")
with browser.opened(page, width=360, dark=True) as tab: tab.ask(...); tab.said

It is driven by the DevTools protocol over two pipes, one for all tests of a process.
"""

import atexit
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from postrun.core.locations import PROJECT

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
TIMEOUT = 180.0  # seconds: the machine may be busy
WITH_BROWSER = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: sh .ci/setup browser")
# Where `sh .ci/setup browser` puts it; AXE names another copy.
AXE = Path(os.environ.get("AXE") or PROJECT / ".venv/axe/node_modules/axe-core/axe.min.js")
WITH_AXE = pytest.mark.skipif(not AXE.is_file(), reason="no axe-core here: sh .ci/setup browser")
# CSS pixels between the margins of a printed A4 page, upright and on its side.
A4_UPRIGHT, A4_SIDE = 718, 1047

# What is wider than the page, but for what can be scrolled inside a region with a name.
OVERFLOW = """
const wide = [...document.querySelectorAll("body *")].filter((element) =>
  !element.closest(".wide, svg") && element.getBoundingClientRect().right > window.innerWidth + 1);
const regions = [...document.querySelectorAll(".wide")];
return {
  overflow: wide.map((element) => element.outerHTML.slice(0, 80)),
  scrolls: document.documentElement.scrollWidth > window.innerWidth,
  unreachable: regions.filter((region) => region.tabIndex !== 0).length,
};
"""
# Marks of charts outside of the page, or below their chart.
CHARTS = """
return [...document.querySelectorAll("svg.chart")].map((chart) => {
  const box = chart.getBoundingClientRect();
  const outside = [...chart.querySelectorAll("text, circle, line, rect")].filter((mark) => {
    const place = mark.getBoundingClientRect();
    return place.left < -1 || place.right > window.innerWidth + 1 || place.bottom > box.bottom + 1;
  });
  const texts = [...chart.querySelectorAll("text")];
  const boxes = texts.map((text) => text.getBoundingClientRect());
  const meeting = [];
  boxes.forEach((one, first) => boxes.slice(first + 1).forEach((other, more) => {
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    // Lines of text may touch: a box is higher than its letters.
    if (across > 1 && down > one.height / 3) {
      meeting.push([texts[first].textContent, texts[first + 1 + more].textContent]);
    }
  }));
  return {
    chart: chart.querySelector("title").id.replace("-title", ""),
    about: chart.querySelector("desc").textContent,
    outside: outside.map((mark) => mark.outerHTML),
    meeting,
    color: window.getComputedStyle(texts[0]).fill,
  };
});
"""
# What a printed page cuts off, and numbers and words that are on two lines. A name too long for a
# line may be; a word may be broken after its own hyphen or slash, a number may not.
PRINTED = """
const cut = [...document.querySelectorAll("body *")].filter((element) =>
  !element.closest("svg") && element.getBoundingClientRect().right > window.innerWidth + 1);
const broken = [];
const walker = document.createTreeWalker(document.body, window.NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  if (node.parentElement.closest("script, style, svg")) continue;
  for (const match of node.data.matchAll(/\\S+/g)) {
    const isNumber = /^[-+(]?\\d[\\d.,:%-]*\\)?$/.test(match[0]);
    const parts = isNumber ? [match[0]] : match[0].split(/(?<=[-\\/|?=])/);
    let start = match.index;
    for (const part of parts) {
      const range = document.createRange();
      range.setStart(node, start);
      range.setEnd(node, start + part.length);
      start += part.length;
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1 && part.length < 24) broken.push(match[0]);
    }
  }
}
return {cut: cut.map((element) => element.outerHTML.slice(0, 80)), broken};
"""
RUN_AXE = """
const {violations} = await window.axe.run(document, {resultTypes: ["violations"]});
return violations.filter((found) => ["serious", "critical"].includes(found.impact)).map((found) =>
  [found.id, found.nodes.length, found.nodes[0].html.slice(0, 120)]);
"""


class Chromium:
    """One browser and the two pipes to it."""

    def __init__(self) -> None:
        assert PROGRAM is not None
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self.writing = os.pipe()
        self.reading, from_browser = os.pipe()

        def give_pipes() -> None:
            # The browser reads 3 and writes 4; neither must be overwritten on the way.
            reading, writing = os.dup(to_browser), os.dup(from_browser)
            while min(reading, writing) < 5:
                reading, writing = os.dup(reading), os.dup(writing)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            [PROGRAM, *flags, f"--user-data-dir={self.folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_browser, from_browser, 3, 4),
            preexec_fn=give_pipes,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.rest = b""
        self.number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the answer to a command; events that come before it are kept."""
        number = self._send(method, session, params)
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._keep(answer)

    def wait_for(self, method: str, session: str) -> None:
        """Return once a page has said something."""
        while not any(
            event["method"] == method and event.get("sessionId") == session for event in self.events
        ):
            self._keep(self._read())

    def _send(self, method: str, session: str | None, params: dict[str, Any]) -> int:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        return self.number

    def _keep(self, answer: dict[str, Any]) -> None:
        """Keep an event. A dialog is closed: nothing else of its page runs until then."""
        if "method" not in answer:
            return
        self.events.append(answer)
        if answer["method"] == "Page.javascriptDialogOpening":
            self._send("Page.handleJavaScriptDialog", answer["sessionId"], {"accept": False})

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.reading], [], [], deadline - time.monotonic())
            assert ready, f"Chromium said nothing within {TIMEOUT:.0f} s"
            read = os.read(self.reading, 1 << 20)
            assert read, "Chromium has ended"
            self.rest += read
        message, _, self.rest = self.rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def close(self) -> None:
        """End the browser."""
        self.process.terminate()
        self.process.wait(TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def chromium() -> Chromium:
    """Return the browser of this process; it ends with it."""
    started = Chromium()
    atexit.register(started.close)
    return started


@dataclass
class Tab:
    """An open page."""

    session: str
    address: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to a command about this page."""
        return chromium().call(method, self.session, **params)

    def ask(self, script: str) -> Any:
        """Return what a script about `document` and `window` returns; it may wait."""
        answer = self.call(
            "Runtime.evaluate",
            expression=f"(async () => {{ {script} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @property
    def said(self) -> list[str]:
        """Return what a page must not do: messages, dialogs, and requests but for itself."""
        kinds = {
            "Runtime.consoleAPICalled": "args",
            "Runtime.exceptionThrown": "exceptionDetails",
            "Log.entryAdded": "entry",
            "Page.javascriptDialogOpening": "message",
        }
        said = []
        for event in chromium().events:
            if event.get("sessionId") != self.session:
                continue
            params = event["params"]
            if event["method"] in kinds:
                said.append(f"{event['method']}: {params[kinds[event['method']]]}")
            elif event["method"] == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if url != self.address:
                    said.append(f"request: {url}")
        return said

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def opened(
    page: Path, width: int = 1440, dark: bool = False, media: str = "screen"
) -> Iterator[Tab]:
    """Open a page from the disk; at the end it must have said nothing and asked for nothing."""
    browser = chromium()
    browser.events.clear()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
    tab = Tab(attached["sessionId"], page.as_uri())
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.call(f"{domain}.enable")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    tab.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
    tab.call("Page.navigate", url=tab.address)
    browser.wait_for("Page.loadEventFired", tab.session)
    try:
        yield tab
        assert not tab.said, tab.said
    finally:
        browser.call("Target.closeTarget", targetId=target)


def ask(
    page: Path, script: str, width: int = 1440, dark: bool = False, media: str = "screen"
) -> Any:
    """Open a page, run a script about it, and return what that returns."""
    with opened(page, width, dark, media) as tab:
        return tab.ask(script)


def serious_faults(page: Path, width: int = 1440, dark: bool = False) -> Any:
    """Return what axe-core finds serious or critical in a page."""
    with opened(page, width, dark) as tab:
        tab.call("Runtime.evaluate", expression=AXE.read_text())
        return tab.ask(RUN_AXE)
