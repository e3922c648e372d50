"""The page as a browser sees it; skipped where no Chromium is installed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ttl.report import render
from ttl.report.reading import read
from ttl.report.verdict import verdict

from . import example, segmented

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


def test_chromium_shows_the_verdict_and_asks_for_nothing(browser: str, tmp_path: Path) -> None:
    report = example.finished()
    dom = dumped(browser, tmp_path, render(report))
    assert f"<h1>{verdict(read(report)).sentence}</h1>" in dom
    assert dom.count("<svg") == 5
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
