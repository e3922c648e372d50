"""A network's points: found by name or index, a table when printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, overload

from ttl.cut.points.point import TruncationPoint, UNetPoint
from ttl.errors import PointError
from ttl.words.sides import short


class TruncationPoints(Sequence[TruncationPoint]):
    """A network's points, lowest first; a table when printed.

    Indexed by position (`points[0]`, `points[-1]`) or by name (`points["layer3.5"]`).
    """

    def __init__(self, points: Sequence[TruncationPoint], *, without_formula: dict[str, int]) -> None:
        self._points = tuple(points)
        self.without_formula = without_formula
        """Operations whose MACs aren't known and so aren't in the figures, and how often they ran."""

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[TruncationPoint]:
        return iter(self._points)

    @overload
    def __getitem__(self, key: int | str) -> TruncationPoint: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[TruncationPoint]: ...
    def __getitem__(self, key: int | str | slice) -> TruncationPoint | Sequence[TruncationPoint]:
        return self.find(key) if isinstance(key, str) else self._points[key]

    def find(self, cut: str) -> TruncationPoint:
        """The point that a user means: its name, its index (1 = lowest), or `full`, the whole network.

        Raises:
            PointError: there is no such point; the sentence names the nearest ones.
        """
        if cut == "full":
            return self._points[-1]
        if cut.isdecimal() and 1 <= int(cut) <= len(self):
            return self._points[int(cut) - 1]
        for point in self:
            if point.name == cut:
                return point
        near = difflib.get_close_matches(cut, [point.name for point in self], n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}" if near else f"they run from {self[0].name} to {self[-1].name}"
        raise PointError(
            f"There is no truncation point {cut!r} among the {len(self)} of this network: {meant}? "
            "Give a name, an index from 1, or 'full'."
        )

    def to_json(self) -> list[dict[str, Any]]:
        """The points as plain data; `image_size` is the short form of `sides`."""
        return [asdict(point) | {"image_size": short(point.sides)} for point in self]

    def __repr__(self) -> str:
        width = max(len(point.name) for point in self)
        shares = " (of the encoder: params     MACs)" if any(isinstance(p, UNetPoint) for p in self) else ""
        rows = [f"{'#':>4} {'point':<{width}} stage  chan. stride   params     MACs{shares}"]
        for p in self:
            mark = "*" if p.is_stage_end else " "
            rows.append(
                f"{p.index:>4} {p.name:<{width}} {p.stage:>4}{mark} {p.channels:>6} {p.reduction:>6} "
                f"{p.params / 1e6:>7.3f}M {p.macs / 1e9:>7.3f}G{_share(p)}{'' if p.is_within_weights else ' ?'}"
            )
        of = "the encoder up to there and the decoder left to it" if shares else "everything up to the point"
        rows.append(f"* the last point of its stage; params and MACs are of {of}")
        if any(p.is_finished for p in self):
            rows.append("Behind a block, the norm and activation that the next one begins with are taken along.")
        if not all(p.is_within_weights for p in self):
            rows.append("? beyond the loaded weights: something up to there starts at random")
        if self.without_formula:
            rows.append(f"MACs unknown and left out: {_listed(self.without_formula)}")
        return "\n".join(rows)


def _share(point: TruncationPoint) -> str:
    """What of its figures the encoder has, in a U-Net."""
    if not isinstance(point, UNetPoint):
        return ""
    return f" {point.encoder_params / 1e6:>22.3f}M {point.encoder_macs / 1e9:>7.3f}G"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} x {count}" for name, count in sorted(counts.items()))
