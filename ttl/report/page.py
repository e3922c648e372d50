"""The page: verdict, sections and style sheet in one HTML file that needs no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ttl.report.load import load
from ttl.report.reading import read
from ttl.report.sections import SECTIONS
from ttl.report.verdict import verdict


def render(report: Mapping[str, Any], folder: Path | None = None) -> str:
    """The report as one HTML page.

    Args:
        report: what report.json holds. Any key may be missing: the page shows what is there.
        folder: where the pictures lie that it names; without it the page says that they are missing.

    Returns:
        A whole HTML document, with its style sheet, plots and pictures inside.
    """
    known = read(report, folder)
    sections = [section for build in SECTIONS if (section := build(known)) is not None]
    style = resources.files("ttl.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    template = _environment().get_template("report.html")
    return template.render(report=known, verdict=verdict(known), sections=sections, style=Markup(style))


def summary(report: Mapping[str, Any]) -> tuple[str, ...]:
    """The sentences at the top of the page, for a terminal."""
    said = verdict(read(report))
    return tuple(sentence for sentence in (said.sentence, said.remark, said.tried) if sentence)


def write_report(run_folder: Path) -> Path:
    """Build `report.html` beside the `report.json` of a run folder, finished or not.

    Args:
        run_folder: a folder written by `ttl run` or `ttl search`.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: there is no report.json, or it is not one that this version reads.
    """
    page = render(load(run_folder), Path(run_folder))
    final = Path(run_folder) / "report.html"
    unfinished = final.with_suffix(".html.tmp")
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(final)


def _breakable(text: str) -> Markup:
    """Lets a long module path break after a dot: `features.denseblock3.denselayer19`; numbers stay whole."""
    return Markup(".<wbr>").join(escape(part) for part in re.split(r"\.(?=[A-Za-z])", text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ttl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment
