"""Test images as pictures: what the networks of a segmentation draw, and where those of a classification look."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

from ttl.data.modality.overlay import STEPS, class_colours, heat_colour
from ttl.deliver.pictures.cases import CamCase, MaskCase, MaskCases, Which
from ttl.report.cells import MISSING, Cell, amount, metric_cell
from ttl.report.page_blocks import Block, Case, Gallery, Picture, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import PerClass
from ttl.report.wording import networks
from ttl.words import units

PNG = b"\x89PNG\r\n\x1a\n"
RULE_OF_WHOLE = (
    "Test images that the network got right and wrong: of each the four of which it is surest, of different classes as "
    "far as there are."
)
RULE = (
    "Test images in four groups, by which of the two networks is right: of each group the two of which the truncated "
    "network is surest, of different classes where there are. A group without images is left out."
)
GRAD_CAM = (
    "Grad-CAM (Selvaraju et al. 2017): the places whose features raise the score of the class that is named below the "
    "picture, as shares of the strongest place of that picture. It does not show whether the network is right, how "
    "sure it is, or what it sees in that place, and strengths of two pictures can't be compared."
)
Line = tuple[tuple[str, ...], Mapping[Which, Mapping[str, float]]]
"""Texts, and which -> metric -> value."""


def _inlined(folder: Path | None, file: str | None, picture: Picture) -> Picture:
    """A picture with the PNG file of the run folder in it, or in words why there is none."""
    if file is None:
        return replace(picture, missing="There is no picture.")
    try:
        content = (folder / file).read_bytes() if folder else b""
    except OSError:
        content = b""
    if not content.startswith(PNG):
        return replace(picture, missing=f"{file} is missing, or is no PNG file.")
    return replace(picture, uri=f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}")


def _case(case: MaskCase | CamCase, folder: Path | None, pictures: Mapping[str, Picture]) -> Case:
    inside = (_inlined(folder, case.files.get(key), picture) for key, picture in pictures.items())
    return Case(case.id, case.why, tuple(inside))


def mask_pictures(report: RunReport, folder: Path | None) -> Section | None:
    """Cases as rows of pictures, and the table of the classes; None where the report has neither."""
    overlays = report.overlays
    blocks: list[Block] = [_overlays(report, overlays, folder)] if overlays and overlays.cases else []
    if report.per_class:
        blocks.append(_classes_table(report, report.per_class))
    title = "What the network draws" if report.keeps_whole else "What the networks draw"
    return Section("drawn", title, tuple(blocks)) if blocks else None


def _overlays(report: RunReport, overlays: MaskCases, folder: Path | None) -> Gallery:
    split = {"val": "validation"}.get(overlays.split, overlays.split)
    caption = (
        f"Images of the {split} split, each with why it is shown. Filled and outlined: what the truth or a network "
        f"gives to a class; hatched: unlabelled, not counted. Below a picture stands the {report.score.name} of that "
        "image alone."
    )
    cases = []
    for case in overlays.cases:
        pictures = {
            "image": Picture("image", f"The image {case.id}."),
            "truth": Picture("truth", f"The truth, outlined on {case.id}."),
        }
        for network, words in networks(report).items():
            value = metric_cell(case.figures.get(network, {}).get(report.metric), report.score).text
            note = f"{report.score.name} {value}"
            alt = f"What the {words} gives, outlined on {case.id}: {note}."
            pictures[network] = Picture(words, alt, note=note)
        cases.append(_case(case, folder, pictures))
    drawn = overlays.classes[1:]  # class 0 is the background
    key = tuple(zip(class_colours(len(drawn)), drawn, strict=True))
    lines = [((case.id, case.why), case.figures) for case in overlays.cases]
    data = _side_by_side(report, "Figures of these images", ("Image", "Why it is shown"), lines, folded=True)
    return Gallery(tuple(cases), caption, key, data)


def _classes_table(report: RunReport, per_class: Mapping[Which, PerClass]) -> Table:
    lines: list[Line] = []
    for name in dict.fromkeys(name for metrics in per_class.values() for of in metrics.values() for name in of):
        figures = {network: {key: of.get(name, nan) for key, of in by.items()} for network, by in per_class.items()}
        lines.append(((name,), figures))
    return _side_by_side(report, "Each class on the test images.", ("Class",), lines, folded=False)


def _side_by_side(
    report: RunReport, caption: str, titles: tuple[str, ...], lines: Sequence[Line], *, folded: bool
) -> Table:
    """For each metric a column of the whole network, then one of the cut one, after the `titles` of the texts."""
    words = {network: name.split()[0] for network, name in networks(report).items()}
    keys = dict.fromkeys(key for _, figures in lines for network in words for key in figures.get(network, ()))
    pairs = [(key, network) for key in keys for network in words]
    columns = (report.measure(key).name + (f", {words[of]}" if len(words) > 1 else "") for key, of in pairs)
    rows = []
    for texts, figures in lines:
        cells = (metric_cell(figures.get(of, {}).get(key), report.measure(key)) for key, of in pairs)
        rows.append(row(*texts, *cells))
    return Table(caption, (*titles, *columns), tuple(rows), n_text=len(titles), folded=folded)


def gradcam_pictures(report: RunReport, folder: Path | None) -> Section | None:
    """Cases as rows of pictures; in words why there are none, and nothing where nobody tried to draw them."""
    cams, title = report.cams, "Where the network looks" if report.keeps_whole else "Where the networks look"
    if cams is not None and cams.missing:
        return Section("cams", title, (Prose(f"There are no maps (Grad-CAM): {cams.missing}."),))
    if cams is None or not cams.cases:
        return None
    cases, rows = [], []
    for case in cams.cases:
        pictures, answers = {"image": Picture(f"image: {case.truth}", f"The image {case.id}: {case.truth}.")}, []
        for network, words in networks(report).items():
            answer, text = case.says.get(network), f"{case.id} in the {words}"
            if answer is None:
                pictures[network] = Picture(words, text)
                answers += [MISSING, MISSING]
                continue
            share = amount(answer.probability, units.percent)
            note = f"says {answer.name}, {share.text}, {'right' if answer.right else 'wrong'}"
            alt = f"What speaks for {case.map_of.get(network, answer.name)} in {text}, which {note}."
            pictures[network] = Picture(words, alt, note=note)
            answers += [Cell(answer.name), share]
        cases.append(_case(case, folder, pictures))
        rows.append(row(case.id, case.why, case.truth, *answers))
    names = (name for words in networks(report).values() for name in (f"{words} says", "its probability"))
    columns = ("Image", "Why it is shown", "Is", *names)
    data = Table("What is said of these images", columns, tuple(rows), n_text=3, folded=True)
    key = tuple((heat_colour(share), f"{units.percent(share)} of the strongest") for share in STEPS)
    gallery = Gallery(tuple(cases), f"{GRAD_CAM} {_places(report, cams.cases[0])}", key, data)
    return Section("cams", title, (Prose(RULE_OF_WHOLE if report.keeps_whole else RULE), gallery))


def _places(report: RunReport, case: CamCase) -> str:
    sizes = {
        words: " × ".join(map(units.whole, case.map_size[network]))  # noqa: RUF001
        for network, words in networks(report).items()
        if network in case.map_size
    }
    places = ", ".join(f"{words} {size}" for words, size in sizes.items())
    if len(set(sizes.values())) > 1:
        return f"Maps of a lower cut are finer, because its feature map has more places ({places})."
    return f"Places of the map: {places}."
