"""What the networks of a segmentation draw: some images beside the truth, and the figures of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttl.report.blocks import Block, Case, Gallery, Section, Table, row
from ttl.report.overlay import class_colours
from ttl.report.pictures import embedded
from ttl.report.reading import Report, items, mapping, records
from ttl.words.estimate import number

NETWORKS = ("full", "chosen")


def what_is_drawn(report: Report) -> Section | None:
    """Cases as rows of pictures, and the table of the classes; None where the report has neither."""
    overlays = mapping(report.raw, "overlays")
    blocks: list[Block] = [_gallery(report, overlays)] if records(overlays, "cases") else []
    classes = _classes_table(report)
    if classes is not None:
        blocks.append(classes)
    title = "What the network draws" if report.keeps_whole else "What the networks draw"
    return Section("drawn", title, tuple(blocks)) if blocks else None


def _gallery(report: Report, overlays: Mapping[str, Any]) -> Gallery:
    cases = records(overlays, "cases")
    split = {"val": "validation"}.get(str(overlays.get("split")), str(overlays.get("split") or "test"))
    caption = (
        f"Images of the {split} split, each with why it is shown. Filled and outlined: what the truth or a network "
        f"gives to a class; hatched: unlabelled, not counted. Below a picture stands the {report.score.name} of that "
        "image alone."
    )
    data = _figures_table(report, cases)
    return Gallery(tuple(_case(report, case) for case in cases), caption, _key(report, overlays), data)


def _key(report: Report, overlays: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    names = [str(name) for name in items(overlays, "classes")] or list(report.class_names)
    # Class 0 is the background, whether or not it is named here.
    drawn = names[1:] if len(names) > 1 and names[0] == next(iter(report.class_names), None) else names
    return tuple(zip(class_colours(len(drawn)), drawn, strict=True))


def _case(report: Report, case: Mapping[str, Any]) -> Case:
    name = str(case.get("id", "?"))
    pictures = [
        embedded(report, case, "image", "image", f"The image {name}."),
        embedded(report, case, "truth", "truth", f"The truth, outlined on {name}."),
    ]
    for network, words in report.networks.items():
        value = report.score.text(number(mapping(mapping(case, "figures"), network).get(report.metric)))
        said = f"{report.score.name} {value}"
        alt = f"What the {words} gives, outlined on {name}: {said}."
        pictures.append(embedded(report, case, network, words, alt, said))
    return Case(name, str(case.get("why") or ""), tuple(pictures))


def _figures_table(report: Report, cases: tuple[Mapping[str, Any], ...]) -> Table:
    figures = [mapping(case, "figures") for case in cases]
    columns, values = _side_by_side(report, figures)
    rows = (
        row(str(case.get("id", "?")), str(case.get("why") or ""), *cells)
        for case, cells in zip(cases, values, strict=True)
    )
    return Table("Figures of these images", ("Image", "Why it is shown", *columns), tuple(rows), n_text=2, folded=True)


def _classes_table(report: Report) -> Table | None:
    """Classes by metrics, of the whole network and the cut one."""
    sides = {network: mapping(mapping(report.raw, "per_class"), network) for network in NETWORKS}
    found = (str(name) for side in sides.values() for key in side for name in mapping(side, key))
    names = tuple(dict.fromkeys(found))
    if not names:
        return None
    by_class = [
        {network: {key: mapping(side, key).get(name) for key in side} for network, side in sides.items()}
        for name in names
    ]
    columns, values = _side_by_side(report, by_class)
    rows = tuple(row(name, *cells) for name, cells in zip(names, values, strict=True))
    return Table("Each class on the test images.", ("Class", *columns), rows)


def _side_by_side(report: Report, figures: list[Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and cells of network -> metric -> value: for each metric the whole network, then the cut one."""
    networks = {key: name.split()[0] for key, name in report.networks.items()}
    keys = tuple(dict.fromkeys(str(key) for f in figures for network in networks for key in mapping(f, network)))
    pairs = [(key, network) for key in keys for network in networks]
    alone = len(networks) == 1
    columns = tuple(report.measure(k).name + ("" if alone else f", {networks[n]}") for k, n in pairs)
    cells = [tuple(report.measure(k).text(number(mapping(f, n).get(k))) for k, n in pairs) for f in figures]
    return columns, cells
