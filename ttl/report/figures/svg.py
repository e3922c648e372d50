"""Hand-written SVG for line and dot plots: text stays text, colours are CSS classes, ticks are round numbers.

Lengths are in user units of the view box; the style sheet scales the text up on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from markupsafe import Markup, escape

LEFT, RIGHT, TOP, BOTTOM = 68, 16, 36, 66
"""Room around the data area, in user units: for tick labels and axis titles at the size that they have on a phone."""
AIR = 0.06
"""Of a range, free at both ends: the outermost marks stay whole."""


@dataclass(frozen=True)
class Size:
    """Of a picture, in user units; `name` is a CSS class of its own."""

    width: int
    height: int
    name: str = ""


Pair = tuple[str, str]
NOTHING = Markup()
CENTRAL = {"dominant_baseline": "central"}
"""Of a text: vertically in the middle of its place, not above it."""
WIDE = Size(640, 380)
SQUARE = Size(480, 480, "square")


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """One element. `class_` is `class`, `stroke_width` `stroke-width`; text and values are escaped, None left out."""
    pairs = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    opening = "".join(f' {name}="{escape(_attribute(value))}"' for name, value in pairs)
    # Plain strings of what is escaped already: formatting with Markup is five times as slow.
    return Markup(f"<{tag}{opening}>{''.join(map(escape, children))}</{tag}>")


def _attribute(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def text(words: str, x: float, y: float, class_: str | None = None, tooltip: str = "", **style: str | None) -> Markup:
    """Words around a place on their line, or as the attributes in `style` say."""
    children = [element("title", tooltip)] if tooltip else []
    return element("text", *children, words, class_=class_, x=x, y=y, **{"text_anchor": "middle", **style})


def rectangle(
    class_: str, x: float, y: float, width: float, height: float, tooltip: str = "", **attributes: object
) -> Markup:
    """A rectangle; `x` and `y` are its upper left corner."""
    children = [element("title", tooltip)] if tooltip else []
    return element("rect", *children, class_=class_, x=x, y=y, width=width, height=height, **attributes)


@dataclass(frozen=True)
class Scale:
    """A linear map from data values `low..high` to positions `start..stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Position of a data value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def nice_ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers (steps of 1, 2 or 5 times a power of ten) in `low..high`, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many decimals as their step needs, all alike."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:.{decimals}f}".replace("-", "−") for tick in ticks]  # noqa: RUF001


def padded(values: Iterable[float], floor: float = -math.inf, ceiling: float = math.inf) -> tuple[float, float]:
    """A range around the finite `values` with some air that stays within `floor..ceiling`; never empty."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    air = AIR * (high - low) or 0.05 * abs(high) or 0.05
    return max(min(floor, low), low - air), min(max(ceiling, high), high + air)


@dataclass(frozen=True)
class Axes:
    """Where the data area lies, and the two scales into it."""

    x: Scale
    y: Scale
    size: Size = WIDE

    @classmethod
    def spanning(cls, x: tuple[float, float], y: tuple[float, float], *, above: float = 0.0, size: Size = WIDE) -> Axes:
        """Axes over the ranges `x` and `y`, each (low, high) with low < high; `above` is left free on top."""
        return cls(Scale(*x, LEFT, size.width - RIGHT), Scale(*y, size.height - BOTTOM, TOP + above), size)

    def frame(self, x_title: str, y_title: str, *, whole: bool = True) -> Markup:
        """Grid, tick labels and axis titles; x ticks are `whole` numbers (a point's index, an epoch) or any."""
        bottom, ys = self.y.start, nice_ticks(self.y.low, self.y.high)
        xs = nice_ticks(self.x.low, self.x.high, 12 if whole else 5, whole=whole)
        parts = [text(y_title, 4, 20, "axis-title", text_anchor=None)]
        for tick, label in zip(ys, tick_labels(ys), strict=True):
            parts += [self.level(tick, "grid"), text(label, LEFT - 8, self.y(tick), text_anchor="end", **CENTRAL)]
        parts += [text(label, self.x(tick), bottom + 28) for tick, label in zip(xs, tick_labels(xs), strict=True)]
        middle = (self.x.start + self.x.stop) / 2
        title = text(x_title, middle, self.size.height - 8, "axis-title")
        return element("g", *parts, title, self.level(self.y.low, "axis"))

    def plot(
        self, name: str, words: Pair, titles: Pair, *layers: Markup, whole: bool = True, behind: Markup = NOTHING
    ) -> Markup:
        """The finished picture: a frame with `titles` for x and y, what lies `behind` it, and layers over it.

        `words` are the title and the description of its alternative text; for `whole` see `frame`.
        """
        return plot(name, *words, behind, self.frame(*titles, whole=whole), *layers, size=self.size)

    def level(self, y: float, class_: str) -> Markup:
        """A horizontal line over the whole width."""
        return element("line", class_=class_, x1=self.x.start, x2=self.x.stop, y1=self.y(y), y2=self.y(y))

    def down(self, x: float, class_: str, y: float | None = None) -> Markup:
        """A vertical line from `y`, or over the whole height."""
        at, top = self.x(x), self.y.stop if y is None else self.y(y)
        return element("line", class_=class_, x1=at, x2=at, y1=top, y2=self.y.start)

    def path(self, xs: Sequence[float], ys: Sequence[float], class_: str) -> Markup:
        """A line through the points, broken where a value is missing."""
        steps, pen = [], "M"
        for x, y in zip(xs, ys, strict=True):
            if not math.isfinite(y):
                pen = "M"
                continue
            steps.append(f"{pen}{self.x(x):.1f} {self.y(y):.1f}")
            pen = "L"
        return element("path", class_=f"line {class_}", d=" ".join(steps))

    def error_bar(self, x: float, low: float, high: float, class_: str) -> Markup:
        """A vertical interval with short caps."""
        at, top, bottom = self.x(x), self.y(high), self.y(low)
        d = f"M{at:.1f} {top:.1f}V{bottom:.1f}M{at - 4:.1f} {top:.1f}h8M{at - 4:.1f} {bottom:.1f}h8"
        return element("path", class_=f"bar {class_}", d=d)

    def area(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], class_: str) -> Markup:
        """What lies between two lines, broken where either is missing; of a lone point, a vertical line."""
        corners = zip(xs, lows, highs, strict=True)
        runs = (list(run) for is_whole, run in groupby(corners, key=lambda c: all(map(math.isfinite, c))) if is_whole)
        return element("path", class_=f"area {class_}", d=" ".join(map(self._outline, runs)))

    def _outline(self, corners: Sequence[tuple[float, float, float]]) -> str:
        there = [f"{self.x(x):.1f} {self.y(high):.1f}" for x, _, high in corners]
        back = [f"{self.x(x):.1f} {self.y(low):.1f}" for x, low, _ in reversed(corners)]
        return f"M{'L'.join(there + back)}Z"

    def box(self, x: float, five: Sequence[float], width: float, class_: str, label: str) -> Markup:
        """A box plot with a tooltip: whisker, box, median, box, whisker, in `five` rising values."""
        at, half = self.x(x), width / 2
        low, bottom, middle, top, high = (f"{self.y(value):.1f}" for value in five)
        whiskers = f"M{at:.1f} {low}V{bottom}M{at:.1f} {top}V{high}"
        caps = "".join(f"M{at - half / 2:.1f} {end}h{half:.1f}" for end in (low, high))
        edges = f"M{at - half:.1f} {bottom}h{width:.1f}V{top}h{-width:.1f}Z"
        lines = {"bar": whiskers + caps, "box": edges, "median": f"M{at - half:.1f} {middle}h{width:.1f}"}
        paths = (element("path", class_=f"{kind} {class_}", d=d) for kind, d in lines.items())
        return element("g", element("title", label), *paths)

    def across(self, low: float, high: float, class_: str) -> Markup:
        """A horizontal strip over the whole width."""
        top, bottom = self.y(high), self.y(low)
        return rectangle(class_, self.x.start, top, self.x.stop - self.x.start, bottom - top)

    @property
    def step(self) -> float:
        """Room for one point of the x axis, in user units."""
        return self.x(1) - self.x(0)

    def dot(self, x: float, y: float, class_: str, label: str, *, square: bool = False) -> Markup:
        """A mark with a tooltip."""
        if square:
            return rectangle(f"dot {class_}", self.x(x) - 6, self.y(y) - 6, 12, 12, label)
        radius, title = 7 if class_ == "chosen" else 5, element("title", label)
        return element("circle", title, class_=f"dot {class_}", cx=self.x(x), cy=self.y(y), r=radius)


def plot(name: str, title: str, description: str, *layers: str, size: Size = WIDE) -> Markup:
    """The finished picture; `name` makes the ids of its alternative text unique on the page."""
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *layers,
        class_=f"plot {size.name}".rstrip(),
        role="img",
        viewBox=f"0 0 {size.width} {size.height}",
        aria_labelledby=f"{name}-title {name}-desc",
    )
