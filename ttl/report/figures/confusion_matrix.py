"""What is taken for what: the confusion matrix of each network."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ttl.report.figures import svg
from ttl.report.page_blocks import Cell, Figure, Row, Table, amount, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import Counts, LabelConfusion
from ttl.report.wording import Side, sides
from ttl.words import units

MOST_DRAWN = 8
"""Classes: of more the numbers can't be read in a picture, and there is the table alone."""
NAMED_COLUMNS = 3
"""From more classes on, columns are numbered: names find no room."""
LONGEST_NAME = 11
SHARED_CELL = 90
"""User units: a cell from this width on has the share of its row below the count."""
SIZE = svg.Size(480, 480, "square")
LEFT, TOP, RIGHT, BOTTOM = 128, 60, 12, 12
"""Room for the names of the rows and columns."""


def confusion_blocks(report: RunReport) -> list[Figure | Table]:
    """The matrix of each network; of several labels an image, one table."""
    if report.confusion is None:
        return []
    if isinstance(report.confusion, LabelConfusion):
        return [_labels_table(report, report.confusion)]
    counted = sides(report, full=report.confusion.full, chosen=report.confusion.chosen)
    return [_matrix(report.task.class_names, side) for side in counted]


def _matrix(names: Sequence[str], side: Side[Counts]) -> Figure | Table:
    """Only its table where there are too many classes."""
    caption = (
        f"Test images by what they are (rows) and what the {side.words} says (columns), with the share of each row."
    )
    if len(names) > MOST_DRAWN:
        return _table(names, side.of, caption)
    name = f"confusion-{side.network}"
    described = "; ".join(
        f"of {units.whole(sum(line))} {truth}: "
        + ", ".join(f"{units.whole(n)} called {called}" for called, n in zip(names, line, strict=True))
        for truth, line in zip(names, side.of, strict=True)
    )
    title, cells = f"confusion matrix, {side.words}", _cells(names, side)
    picture = svg.plot(name, title, f"{described}.", *cells, size=SIZE)
    words = side.words[0].upper() + side.words[1:]
    return Figure(name, picture, caption, (), _table(names, side.of, "Data of this plot"), title=words, half=True)


def _cells(names: Sequence[str], side: Side[Counts]) -> list[Markup]:
    n = len(names)
    step_x, step_y = (SIZE.width - LEFT - RIGHT) / n, (SIZE.height - TOP - BOTTOM) / n
    is_numbered = n > NAMED_COLUMNS
    parts = [
        svg.element("text", "says", class_="axis-title", x=(LEFT + SIZE.width - RIGHT) / 2, y=18, text_anchor="middle"),
        svg.element("text", "is", class_="axis-title", x=4, y=TOP - 12),
    ]
    for at, name in enumerate(names):
        middle_x, middle_y = LEFT + (at + 0.5) * step_x, TOP + (at + 0.5) * step_y
        column = str(at + 1) if is_numbered else _short(name)
        label = _short(f"{at + 1}: {name}" if is_numbered else name)
        parts.append(_label(name, column, middle_x, TOP - 12, "middle"))
        parts.append(_label(name, label, LEFT - 10, middle_y, "end"))
        for other, count in enumerate(side.of[at]):
            corner = (LEFT + other * step_x, TOP + at * step_y)
            share = units.share(count, sum(side.of[at]))
            parts.append(_cell(f"{name} called {names[other]}", count, share, corner, (step_x, step_y), side.network))
    return parts


def _label(name: str, text: str, x: float, y: float, anchor: str) -> Markup:
    title = svg.element("title", name)
    return svg.element("text", title, text, x=x, y=y, text_anchor=anchor, dominant_baseline="central")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _cell(
    words: str, count: int, share: float, corner: tuple[float, float], size: tuple[float, float], network: str
) -> Markup:
    (x, y), (width, height) = corner, size
    title = svg.element("title", f"{words}: {units.whole(count)}, {units.percent(share)} of the row")
    opacity = f"{0.5 * share:.3f}" if share == share else "0"  # an empty row has no shares
    box = svg.element(
        "rect", title, class_=f"share {network}", x=x, y=y, width=width, height=height, fill_opacity=opacity
    )
    middle, is_wide = x + width / 2, width > SHARED_CELL
    lift = 13 if is_wide else 0
    lines = [_inside(units.whole(count), middle, y + height / 2 - lift, "count")]
    if is_wide:
        lines.append(_inside(units.percent(share), middle, y + height / 2 + lift + 4, "of-row"))
    return svg.element("g", box, *lines)


def _inside(text: str, x: float, y: float, class_: str) -> Markup:
    return svg.element("text", text, class_=class_, x=x, y=y, text_anchor="middle", dominant_baseline="central")


def _table(names: Sequence[str], counts: Counts, caption: str) -> Table:
    rows = [
        Row((Cell(name), *(_counted(n, sum(line)) for n in line), amount(sum(line))))
        for name, line in zip(names, counts, strict=True)
    ]
    return Table(caption, ("Is", *(f"called {name}" for name in names), "all"), tuple(rows), folded=True)


def _counted(count: int, total: int) -> Cell:
    share = units.share(count, total)
    return Cell(units.whole(count), units.percent(share), count, parts=(("share of the row", share),))


def _labels_table(report: RunReport, confusion: LabelConfusion) -> Table:
    """The four counts of each label."""
    networks = sides(report, full=confusion.full, chosen=confusion.chosen)
    rows = []
    for at, name in enumerate(report.task.class_names):
        for side in networks:
            (left_alone, alarms), (missed, hit) = side.of[at]
            rows.append(row(name, side.words, *map(amount, (hit, missed, left_alone, alarms))))
    columns = ("Label", "Network", "Present, found", "Present, missed", "Absent, left alone", "Absent, called present")
    caption = (
        "Test images by label: a probability from 0.5 on counts as present, and images whose label is unknown are "
        "not counted."
    )
    return Table(caption, columns, tuple(rows), n_text=2)
