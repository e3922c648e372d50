"""The page of a study, rendered and parsed once for all tests that only read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ttl.report import RunReport, render

VOID = {"meta", "wbr", "img"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is closed in the wrong place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    def attributes(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]

    def classes(self, *tags: str) -> list[str | None]:
        return [attrs.get("class") for tag, attrs in self.tags if tag in tags]


_HTML: dict[int, tuple[RunReport, str]] = {}
_PAGES: dict[int, Page] = {}


def html_of(study: RunReport) -> str:
    if id(study) not in _HTML:
        _HTML[id(study)] = study, render(study)  # with the study, so that no other one gets its number
    return _HTML[id(study)][1]


def page_of(study: RunReport) -> Page:
    if id(study) not in _PAGES:
        _PAGES[id(study)] = Page(html_of(study))
    return _PAGES[id(study)]


def words(study: RunReport) -> list[str]:
    return page_of(study).words


def text(study: RunReport) -> str:
    return " ".join(words(study))


def plot(name: str, study: RunReport) -> Page:
    """One picture of a study's page."""
    return Page(re.findall(rf'<svg class="plot[^>]*aria-labelledby="{name}-title.*?</svg>', html_of(study))[0])
