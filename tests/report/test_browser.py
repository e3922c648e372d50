"""The page as a browser sees it; skipped where no Chromium is installed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ttl.report import render
from ttl.report.headline import headline

from . import example, segmented
from .test_page import PLOTS

pytestmark = pytest.mark.consumers
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=390,800",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    return found


def dumped(browser: str, folder: Path, content: str) -> str:
    """The page as it is after it was loaded."""
    page = folder / "report.html"
    page.write_text(content, encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return html.unescape(done.stdout)


def test_chromium_shows_the_headline_and_asks_for_nothing(browser: str, tmp_path: Path) -> None:
    report = example.finished()
    dom = dumped(browser, tmp_path, render(report))
    assert f"<h1>{headline(report).sentence}</h1>" in dom
    assert dom.count("<svg") == len(PLOTS)
    assert re.findall(r"https?://|\ssrc=|url\(", dom) == []


MEASURED = """<script>addEventListener("load", () => document.title = JSON.stringify(
  [...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().left])))</script>"""


def test_chromium_draws_every_picture_two_by_two_on_a_phone(browser: str, tmp_path: Path) -> None:
    segmented.draw(tmp_path)
    content = render(segmented.finished(), tmp_path)
    assert set(re.findall(r'\ssrc="([^,"]*)', content)) == {"data:image/png;base64"}
    assert re.findall(r"https?://|url\(", content) == []
    # The page itself allows no script: what measures it is let in here.
    open_page = content.replace("default-src 'none'", "script-src 'unsafe-inline'").replace("</body>", MEASURED)
    measured = json.loads(re.findall("<title>(.*)</title>", dumped(browser, tmp_path, open_page))[0])
    assert [width for width, _ in measured] == [160] * 8
    assert [left for _, left in measured] == [measured[0][1], measured[1][1]] * 4
    assert measured[0][1] < measured[1][1]


WIDTH = 390
# What lies to the right of the page, but for what is in a table that scrolls by itself.
OUTSIDE = """<script>addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  for (const details of page.querySelectorAll("details")) details.open = true;
  const outside = [...page.querySelectorAll("main *, svg *")].filter(
    element => !element.closest(".wide") && element.getBoundingClientRect().right > %d + 0.5);
  document.title = JSON.stringify([page.documentElement.scrollWidth, page.querySelectorAll("svg text").length,
    outside.map(element => element.tagName + ": " + element.textContent.slice(0, 40))]);
})</script>"""


@pytest.mark.parametrize("study", [example.finished, example.whole_network, segmented.finished])
def test_nothing_is_wider_than_a_phone(browser: str, tmp_path: Path, study: Any) -> None:
    """In a frame: no window of Chromium's is as narrow."""
    report = study()
    (segmented.draw if report.overlays else example.draw_cams)(tmp_path)
    framed = html.escape(render(report, tmp_path))
    content = f'<iframe width="{WIDTH}" height="800" style="border: 0" srcdoc="{framed}"></iframe>{OUTSIDE % WIDTH}'
    done = dumped(browser, tmp_path, f"<!doctype html><title></title>{content}")
    width, texts, outside = json.loads(re.findall("<title>(.*)</title>", done)[0])
    assert outside == []
    assert width <= WIDTH
    assert texts > 50
