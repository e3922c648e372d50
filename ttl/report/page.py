"""The page: headline, sections and style sheet in one HTML file that needs no network."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ttl.files import write_text
from ttl.report.headline import headline
from ttl.report.schema import RunReport, read_report
from ttl.report.sections import sections_of
from ttl.study.folder import Study
from ttl.study.ledger import read_ledger


def render(report: RunReport, folder: Path | None = None) -> str:
    """A run, finished or not, as one HTML document with its style sheet, plots and pictures inside.

    Pictures that the report names lie in `folder`; without it the page says that they are missing.
    """
    values = {"report": report, "headline": headline(report), "sections": sections_of(report, folder)}
    return environment().get_template("report.html").render(**values)


def summary(report: RunReport) -> tuple[str, ...]:
    """The top of the page as paragraphs, for a terminal: its tiles are a line each."""
    top = headline(report)
    figures = "\n".join(tile.line() for tile in top.tiles)
    return tuple(filter(None, (top.verdict, top.sentence, "\n".join(top.reasons), top.remark, figures, top.tried)))


def write_report(run_folder: Path) -> Path:
    """Build `report.html` beside the `report.json` of a run folder, finished or not, and give its path.

    Raises:
        RunFolderError: there is no report.json, or it is not one that this version reads.
        OSError: the page can't be written; the one before is still there.
    """
    path = Path(run_folder) / "report.html"
    report = read_report(run_folder)
    # Looks that were taken since report.json was written are on the page, too.
    report = replace(report, looks=read_ledger(Study(Path(run_folder))).looks or report.looks)
    write_text(path, render(report, Path(run_folder)))
    return path


def _breakable(text: str) -> Markup:
    """Lets a long module path break after a dot: `features.denseblock3.denselayer19`; numbers stay whole."""
    return Markup(".<wbr>").join(escape(part) for part in re.split(r"\.(?=[A-Za-z])", text))


@cache
def environment() -> Environment:
    """Where the templates of all pages are."""
    loader, strict = PackageLoader("ttl.report"), StrictUndefined
    made = Environment(loader=loader, autoescape=True, undefined=strict, trim_blocks=True, lstrip_blocks=True)
    made.filters["breakable"] = _breakable
    return made
