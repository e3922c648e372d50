"""Where the networks look: Grad-CAM of some test images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ttl.report.blocks import Case, Cell, Gallery, Picture, Prose, Section, Table, row
from ttl.report.heat import STEPS, heat_colour
from ttl.report.pictures import embedded
from ttl.report.reading import Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import number


def where_it_looks(report: Report) -> Section | None:
    """Cases as rows of pictures; in words why there are none, and nothing where nobody tried to draw them."""
    cams = mapping(report.raw, "cams")
    title = "Where the network looks" if report.keeps_whole else "Where the networks look"
    if cams.get("missing"):
        return Section("cams", title, (Prose(f"There are no maps (Grad-CAM): {cams['missing']}."),))
    cases = records(cams, "cases")
    if not cases:
        return None
    key = tuple((heat_colour(share), f"{units.percent(share)} of the strongest") for share in STEPS)
    gallery = Gallery(tuple(_case(report, case) for case in cases), _caption(report, cases), key, _table(report, cases))
    return Section("cams", title, (Prose(_rule(report)), gallery))


def _rule(report: Report) -> str:
    if report.keeps_whole:
        return (
            "Test images that the network got right and wrong: of each the four of which it is surest, of different "
            "classes as far as there are."
        )
    return (
        "Test images in four groups, by which of the two networks is right: of each group the two of which the "
        "truncated network is surest, of different classes where there are. A group without images is left out."
    )


def _caption(report: Report, cases: tuple[Mapping[str, Any], ...]) -> str:
    text = (
        "Grad-CAM (Selvaraju et al. 2017): the places whose features raise the score of the class that is named below "
        "the picture, as shares of the strongest place of that picture. It does not show whether the network is right, "
        "how sure it is, or what it sees in that place, and strengths of two pictures can't be compared."
    )
    sizes = {network: _size(case, network) for case in cases[:1] for network in report.networks}
    known = ", ".join(f"{report.networks[network]} {size}" for network, size in sizes.items() if size)
    if not known:
        return text
    finer = (
        " Maps of a lower cut are finer, because its feature map has more places"
        if len(set(sizes.values())) > 1
        else ""
    )
    return f"{text}{finer} ({known})." if finer else f"{text} Places of the map: {known}."


def _size(case: Mapping[str, Any], network: str) -> str:
    sides = [number(side) for side in items(mapping(case, "map_size"), network)]
    return " × ".join(map(units.whole, sides)) if sides and all(map(math.isfinite, sides)) else ""  # noqa: RUF001


def _case(report: Report, case: Mapping[str, Any]) -> Case:
    name, truth = str(case.get("id", "?")), str(case.get("truth", "?"))
    pictures = [embedded(report, case, "image", f"image: {truth}", f"The image {name}: {truth}.")]
    pictures += [_map(report, case, network, words) for network, words in report.networks.items()]
    return Case(name, str(case.get("why") or ""), tuple(pictures))


def _map(report: Report, case: Mapping[str, Any], network: str, words: str) -> Picture:
    said = mapping(mapping(case, "says"), network)
    right = {True: "right", False: "wrong"}.get(said.get("right"), "")  # type: ignore[arg-type]
    probability = units.percent(number(said.get("probability")))
    note = ", ".join(part for part in (f"says {said.get('class', '?')}", probability, right) if part)
    of = mapping(case, "map_of").get(network, "?")
    alt = f"What speaks for {of} in {case.get('id', '?')} in the {words}, which {note}."
    return embedded(report, case, network, words, alt, note)


def _table(report: Report, cases: tuple[Mapping[str, Any], ...]) -> Table:
    rows = (
        row(
            str(case.get("id", "?")),
            str(case.get("why") or ""),
            str(case.get("truth", "?")),
            *(cell for network in report.networks for cell in _told(mapping(mapping(case, "says"), network))),
        )
        for case in cases
    )
    names = (word for words in report.networks.values() for word in (f"{words} says", "its probability"))
    columns = ("Image", "Why it is shown", "Is", *names)
    return Table("What is said of these images", columns, tuple(rows), n_text=3, folded=True)


def _told(said: Mapping[str, Any]) -> tuple[Cell, Cell]:
    return Cell(str(said.get("class", "?"))), Cell(units.percent(number(said.get("probability"))))
