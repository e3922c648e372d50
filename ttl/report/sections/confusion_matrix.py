"""What is taken for what: the confusion matrix of each network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from markupsafe import Markup

from ttl.report.cells import Cell, amount
from ttl.report.figures import svg
from ttl.report.page_blocks import PLOTTED, Block, Figure, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.on_test import Counts, LabelConfusion
from ttl.report.wording import Side, sides, tested_units
from ttl.words import units
from ttl.words.text import capitalised

MOST_DRAWN = 8
"""Classes: of more the numbers can't be read in a picture, and there is the table alone."""
NAMED_COLUMNS = 3
"""From more classes on, columns are numbered: names find no room."""
LONGEST_NAME = 11
SHARED_CELL = 90
"""User units: a cell from this width on has the share of its row below the count."""
SIZE = svg.SQUARE
LEFT, TOP, RIGHT, BOTTOM = 128, 60, 12, 12
"""Room for the names of the rows and columns."""


def confusion(report: RunReport) -> Section | None:
    """The matrix of each network; of several labels an image, one table; None where nothing was counted."""
    counts = report.confusion
    if counts is None:
        return None
    if isinstance(counts, LabelConfusion):
        blocks: list[Block] = [_labels_table(report, counts)]
    else:
        networks = sides(report, full=counts.full, chosen=counts.chosen)
        blocks = [_matrix(report, side) for side in networks]
    return Section("errors", "What is taken for what", tuple(blocks))


def _by(report: RunReport, older: float | None) -> str:
    """By what it is decided; `older` is the threshold in a file that has no rules."""
    kind = report.task.kind
    if kind.several_classes or (report.decisions is None and kind.one_class_each):
        return "the most probable class"
    return "its own thresholds" if older is None else f"whether the probability reaches {older:g}"


def _matrix(report: RunReport, side: Side[Counts]) -> Figure | Table:
    """Only its table where there are too many classes."""
    names, older = report.task.class_names, report.confusion.threshold if report.confusion else None
    caption = (
        f"{tested_units(report).capitalize()} by what they are (rows) and what the {side.words} says (columns), by "
        f"{_by(report, older)}, with the share of each row."
    )
    if len(names) > MOST_DRAWN:
        return _table(names, side.of, caption)
    name, described = f"confusion-{side.network}", []
    for truth, line in zip(names, side.of, strict=True):
        calls = ", ".join(f"{units.whole(n)} called {called}" for called, n in zip(names, line, strict=True))
        described.append(f"of {units.whole(sum(line))} {truth}: {calls}")
    title, cells = f"confusion matrix, {side.words}", _cells(names, side)
    picture = svg.plot(name, title, f"{'; '.join(described)}.", *cells, size=SIZE)
    words = capitalised(side.words)
    return Figure(name, picture, caption, (), _table(names, side.of, PLOTTED), title=words, half=True)


def _cells(names: Sequence[str], side: Side[Counts]) -> list[Markup]:
    n = len(names)
    step_x, step_y = (SIZE.width - LEFT - RIGHT) / n, (SIZE.height - TOP - BOTTOM) / n
    is_numbered = n > NAMED_COLUMNS
    parts = [
        svg.text("says", (LEFT + SIZE.width - RIGHT) / 2, 18, "axis-title"),
        svg.text("is", 4, TOP - 12, "axis-title", text_anchor=None),
    ]
    for at, name in enumerate(names):
        middle_x, middle_y = LEFT + (at + 0.5) * step_x, TOP + (at + 0.5) * step_y
        column = str(at + 1) if is_numbered else _short(name)
        label = _short(f"{at + 1}: {name}" if is_numbered else name)
        parts.append(svg.text(column, middle_x, TOP - 12, tooltip=name, **svg.CENTRAL))
        parts.append(svg.text(label, LEFT - 10, middle_y, tooltip=name, text_anchor="end", **svg.CENTRAL))
        for other, count in enumerate(side.of[at]):
            share, words = units.share(count, sum(side.of[at])), f"{name} called {names[other]}"
            x, y = LEFT + other * step_x, TOP + at * step_y
            opacity = f"{0.5 * share:.3f}" if share == share else "0"  # an empty row has no shares
            tooltip = f"{words}: {units.whole(count)}, {units.percent(share)} of the row"
            inside = [svg.rectangle(f"share {side.network}", x, y, step_x, step_y, tooltip, fill_opacity=opacity)]
            (x, y), lift = (x + step_x / 2, y + step_y / 2), 13 if step_x > SHARED_CELL else 0
            inside.append(svg.text(units.whole(count), x, y - lift, "count", **svg.CENTRAL))
            if lift:
                inside.append(svg.text(units.percent(share), x, y + lift + 4, "of-row", **svg.CENTRAL))
            parts.append(svg.element("g", *inside))
    return parts


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _table(names: Sequence[str], counts: Counts, caption: str) -> Table:
    def cell(count: int, share: float) -> Cell:
        return Cell(units.whole(count), units.percent(share), count, parts=(("share of the row", share),))

    rows = []
    for name, line in zip(names, counts, strict=True):
        cells = (cell(count, units.share(count, sum(line))) for count in line)
        rows.append(row(name, *cells, amount(sum(line))))
    return Table(caption, ("Is", *(f"called {name}" for name in names), "all"), tuple(rows), folded=True)


def _labels_table(report: RunReport, confusion: LabelConfusion) -> Table:
    networks = sides(report, full=confusion.full, chosen=confusion.chosen)
    rows = []
    for (at, name), side in product(enumerate(report.task.class_names), networks):
        (left_alone, alarms), (missed, hit) = side.of[at]
        rows.append(row(name, side.words, *map(amount, (hit, missed, left_alone, alarms))))
    columns = ("Label", "Network", "Present, found", "Present, missed", "Absent, left alone", "Absent, called present")
    caption = (
        f"{tested_units(report).capitalize()} by label, each network by {_by(report, confusion.threshold)}; where a "
        "label is unknown it is not counted."
    )
    return Table(caption, columns, tuple(rows), n_text=2)
