"""The page as a browser sees it; skipped where no Chromium is installed."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ttl.report import render
from ttl.report.reading import read
from ttl.report.verdict import verdict

from . import example

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


def test_chromium_shows_the_verdict_and_asks_for_nothing(browser: str, tmp_path: Path) -> None:
    report = example.finished()
    page = tmp_path / "report.html"
    page.write_text(render(report), encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    dom = html.unescape(done.stdout)
    assert f"<h1>{verdict(read(report)).sentence}</h1>" in dom
    assert dom.count("<svg") == 5
    assert re.findall(r"https?://|\ssrc=|url\(", dom) == []
