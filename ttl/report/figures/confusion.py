"""What is taken for what: the confusion matrix of each network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from ttl.report.blocks import Cell, Figure, Row, Table, row
from ttl.report.figures import svg
from ttl.report.reading import Report, items, mapping
from ttl.words import units
from ttl.words.estimate import number

MOST_DRAWN = 8
"""Classes: of more the numbers can't be read in a picture, and there is the table alone."""
NAMED_COLUMNS = 3
"""From more classes on, columns are numbered: names find no room."""
LONGEST_NAME = 11
SIZE = svg.Size(480, 480, "square")
LEFT, TOP, RIGHT, BOTTOM = 128, 60, 12, 12

Counts = tuple[tuple[float, ...], ...]


def matrices(report: Report) -> dict[str, Counts]:
    """Network -> counts, truth by rows; only square ones that fit the classes."""
    found = mapping(report.raw, "confusion")
    rows = {
        network: tuple(tuple(map(number, line)) for line in items(found, network) if isinstance(line, list | tuple))
        for network in report.networks
    }
    n = len(report.class_names)
    return {network: counts for network, counts in rows.items() if n and _is_square(counts, n)}


def _is_square(counts: Counts, n: int) -> bool:
    return len(counts) == n and all(len(line) == n for line in counts)


def matrix_block(report: Report, network: str, counts: Counts) -> Figure | Table:
    """The matrix of one network; only its table where there are too many classes."""
    words, names = report.networks[network], report.class_names
    told = f"Test images by what they are (rows) and what the {words} says (columns), with the share of each row."
    if len(names) > MOST_DRAWN:
        return _data(names, counts, told)
    name = f"confusion-{network}"
    described = "; ".join(
        f"of {units.whole(sum(line))} {truth}: "
        + ", ".join(f"{units.whole(n)} called {said}" for said, n in zip(names, line, strict=True))
        for truth, line in zip(names, counts, strict=True)
    )
    picture = svg.plot(name, f"confusion matrix, {words}", f"{described}.", *_cells(names, counts, network), size=SIZE)
    data = _data(names, counts, "Data of this plot")
    return Figure(name, picture, told, (), data, title=words[0].upper() + words[1:], half=True)


def _cells(names: Sequence[str], counts: Counts, network: str) -> list[Markup]:
    n = len(names)
    step_x, step_y = (SIZE.width - LEFT - RIGHT) / n, (SIZE.height - TOP - BOTTOM) / n
    numbered = n > NAMED_COLUMNS
    parts = [
        svg.element("text", "says", class_="axis-title", x=(LEFT + SIZE.width - RIGHT) / 2, y=18, text_anchor="middle"),
        svg.element("text", "is", class_="axis-title", x=4, y=TOP - 12),
    ]
    for at, name in enumerate(names):
        middle_x, middle_y = LEFT + (at + 0.5) * step_x, TOP + (at + 0.5) * step_y
        column = str(at + 1) if numbered else _short(name)
        label = _short(f"{at + 1}: {name}" if numbered else name)
        parts.append(_label(name, column, middle_x, TOP - 12, "middle"))
        parts.append(_label(name, label, LEFT - 10, middle_y, "end"))
        total = sum(counts[at])
        for other, count in enumerate(counts[at]):
            corner = (LEFT + other * step_x, TOP + at * step_y)
            said = f"{name} called {names[other]}"
            parts.append(_cell(said, count, units.share(count, total), corner, (step_x, step_y), network))
    return parts


def _label(name: str, text: str, x: float, y: float, anchor: str) -> Markup:
    title = svg.element("title", name)
    return svg.element("text", title, text, x=x, y=y, text_anchor=anchor, dominant_baseline="central")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _cell(
    said: str, count: float, share: float, corner: tuple[float, float], size: tuple[float, float], network: str
) -> Markup:
    (x, y), (width, height) = corner, size
    title = svg.element("title", f"{said}: {units.whole(count)}, {units.percent(share)} of the row")
    opacity = f"{0.5 * share:.3f}" if math.isfinite(share) else "0"
    box = svg.element(
        "rect", title, class_=f"share {network}", x=x, y=y, width=width, height=height, fill_opacity=opacity
    )
    middle, wide = x + width / 2, width > 90
    lift = 13 if wide else 0
    lines = [_inside(units.whole(count), middle, y + height / 2 - lift, "count")]
    if wide:
        lines.append(_inside(units.percent(share), middle, y + height / 2 + lift + 4, "of-row"))
    return svg.element("g", box, *lines)


def _inside(text: str, x: float, y: float, class_: str) -> Markup:
    return svg.element("text", text, class_=class_, x=x, y=y, text_anchor="middle", dominant_baseline="central")


def _data(names: Sequence[str], counts: Counts, caption: str) -> Table:
    rows = [
        Row((Cell(name), *(_counted(n, sum(line)) for n in line), Cell(units.whole(sum(line)))))
        for name, line in zip(names, counts, strict=True)
    ]
    return Table(caption, ("Is", *(f"called {name}" for name in names), "all"), tuple(rows), folded=True)


def _counted(count: float, total: float) -> Cell:
    share = units.share(count, total)
    return Cell(units.whole(count), units.percent(share), parts=(("share of the row", share),))


def labels_table(report: Report) -> Table | None:
    """Of a task with several labels an image, the four counts of each label; None where there are none."""
    found = mapping(report.raw, "confusion")
    rows = [
        row(name, words, *(units.whole(n) for n in counts))
        for at, name in enumerate(report.class_names)
        for network, words in report.networks.items()
        if (counts := _four(items(found, network), at))
    ]
    columns = ("Label", "Network", "Present, found", "Present, missed", "Absent, left alone", "Absent, called present")
    caption = (
        "Test images by label: a probability from 0.5 on counts as present, and images whose label is unknown are "
        "not counted."
    )
    return Table(caption, columns, tuple(rows), n_text=2) if rows else None


def _four(counts: Sequence[object], at: int) -> tuple[float, ...]:
    """Hits, misses, true negatives and false alarms of a label; nothing where the report hasn't got them."""
    value = counts[at] if at < len(counts) else None
    lines = [line for line in value if isinstance(line, list | tuple)] if isinstance(value, list | tuple) else []
    if [len(line) for line in lines] != [2, 2]:
        return ()
    (left_alone, alarms), (missed, found) = ((number(n) for n in line) for line in lines)
    return found, missed, left_alone, alarms
