"""What the networks of a segmentation draw: some images beside the truth, and the figures of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttl.data.modality.overlay import class_colours
from ttl.deliver.pictures.cases import MaskCase, MaskCases, Which
from ttl.report.inline_png import inlined
from ttl.report.page_blocks import Block, Case, Gallery, Picture, Section, Table, metric_cell, row
from ttl.report.schema import RunReport
from ttl.report.wording import networks

Figures = Mapping[Which, Mapping[str, float]]
"""Which -> metric -> value."""


def mask_pictures(report: RunReport, folder: Path | None) -> Section | None:
    """Cases as rows of pictures, and the table of the classes; None where the report has neither."""
    overlays = report.overlays
    blocks: list[Block] = [_gallery(report, overlays, folder)] if overlays and overlays.cases else []
    if report.per_class:
        blocks.append(_classes_table(report))
    title = "What the network draws" if report.keeps_whole else "What the networks draw"
    return Section("drawn", title, tuple(blocks)) if blocks else None


def _gallery(report: RunReport, overlays: MaskCases, folder: Path | None) -> Gallery:
    split = {"val": "validation"}.get(overlays.split, overlays.split)
    caption = (
        f"Images of the {split} split, each with why it is shown. Filled and outlined: what the truth or a network "
        f"gives to a class; hatched: unlabelled, not counted. Below a picture stands the {report.score.name} of that "
        "image alone."
    )
    drawn = overlays.classes[1:]  # class 0 is the background
    key = tuple(zip(class_colours(len(drawn)), drawn, strict=True))
    lines = [((case.id, case.why), case.figures) for case in overlays.cases]
    data = _side_by_side(report, "Figures of these images", ("Image", "Why it is shown"), lines, folded=True)
    return Gallery(tuple(_case(report, case, folder) for case in overlays.cases), caption, key, data)


def _case(report: RunReport, case: MaskCase, folder: Path | None) -> Case:
    pictures = {
        "image": Picture("image", f"The image {case.id}."),
        "truth": Picture("truth", f"The truth, outlined on {case.id}."),
    }
    for network, words in networks(report).items():
        value = metric_cell(case.figures.get(network, {}).get(report.metric), report.score).text
        note = f"{report.score.name} {value}"
        alt = f"What the {words} gives, outlined on {case.id}: {note}."
        pictures[network] = Picture(words, alt, note=note)
    inside = (inlined(folder, case.files.get(key), picture) for key, picture in pictures.items())
    return Case(case.id, case.why, tuple(inside))


def _classes_table(report: RunReport) -> Table:
    """Classes by metrics, of the whole network and the cut one."""
    per_class = report.per_class or {}
    names = dict.fromkeys(name for metrics in per_class.values() for classes in metrics.values() for name in classes)
    lines: list[tuple[tuple[str, ...], Figures]] = []
    for name in names:
        figures: Figures = {
            network: {key: classes[name] for key, classes in metrics.items() if name in classes}
            for network, metrics in per_class.items()
        }
        lines.append(((name,), figures))
    return _side_by_side(report, "Each class on the test images.", ("Class",), lines, folded=False)


def _side_by_side(
    report: RunReport,
    caption: str,
    titles: tuple[str, ...],
    lines: Sequence[tuple[tuple[str, ...], Figures]],
    *,
    folded: bool,
) -> Table:
    """Lines of texts and figures: for each metric a column of the whole network, then one of the cut one."""
    words = {network: name.split()[0] for network, name in networks(report).items()}
    keys = dict.fromkeys(key for _, figures in lines for network in words for key in figures.get(network, ()))
    pairs = [(key, network) for key in keys for network in words]
    columns = (report.measure(key).name + (f", {words[of]}" if len(words) > 1 else "") for key, of in pairs)
    rows = []
    for texts, figures in lines:
        cells = (metric_cell(figures.get(of, {}).get(key), report.measure(key)) for key, of in pairs)
        rows.append(row(*texts, *cells))
    return Table(caption, (*titles, *columns), tuple(rows), n_text=len(titles), folded=folded)
