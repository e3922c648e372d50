"""The noun: a truncation point, of any network or of a U-Net; and those of a network, a table when printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from ttl.errors import PointError
from ttl.typed import from_json
from ttl.words.sides import AXES, Sides, short


@dataclass(frozen=True)
class TruncationPoint:
    """A place where a network can be cut. Params and MACs are of everything up to it, head excluded."""

    index: int  # 1 is the lowest point
    name: str  # the path of the module that ends here, e.g. `layer3.5`
    kind: str  # `stem`, `block` or `layer` (a transition, a final conv or norm)
    stage: int  # the resolution stage it lies in, 1 the first
    is_stage_end: bool  # whether it is the last point before the resolution drops, or the network's last
    channels: int
    reduction: int  # the stride against the input: 16 means a feature map of 1/16 of the image's side
    params: int
    macs: int
    shape: tuple[int, ...]
    """The feature's shape for one image of `sides`, without the batch: `(channels, height, width)`."""
    sides: Sides  # of the image that shape and MACs are of, in pixels
    channel_axis: int
    """Which axis of `shape` holds the channels: 0 in a map, 2 where they come last (Swin), 1 in tokens."""
    image_channels: int
    is_finished: bool
    """Whether the norm (and activation) that the next block begins with was taken along: `finish="norm"`."""
    is_within_weights: bool  # whether none of the tensors up to here was missing from the weights that were loaded
    values: tuple[str, ...]  # the values of the walked graph whose channel concatenation is the feature here


@dataclass(frozen=True)
class UNetPoint(TruncationPoint):
    """A place where a U-Net's encoder can be cut; the decoder stages of what is removed go with it.

    Params and MACs are of all that is left: the encoder up to the cut and the decoder stages that it still has, the
    segmentation head excluded.
    """

    encoder_params: int  # of `params`, those of the encoder
    encoder_macs: int  # of `macs`, those of the encoder
    enters: int | None
    """The decoder stage that the cut's feature enters, the first that is left; None in the whole network, which has
    all."""
    skips: tuple[str, ...]
    """The values of the walked graph that the skip connections left carry, lowest resolution first."""
    skip_channels: tuple[int, ...]  # of each of them
    entry: str  # the path of the convolution of that stage that reads the feature
    entry_channels: int  # its input width here
    entry_is_new: bool
    """Whether that isn't its width in the whole network: then it starts with new weights, the only one that does."""


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
        rows += [_row(point, width) for point in self]
        of = "the encoder up to there and the decoder left to it" if shares else "everything up to the point"
        rows.append(f"* the last point of its stage; params and MACs are of {of}")
        if any(p.is_finished for p in self):
            rows.append("Behind a block, the norm and activation that the next one begins with are taken along.")
        if not all(p.is_within_weights for p in self):
            rows.append("? beyond the loaded weights: something up to there starts at random")
        if self.without_formula:
            counts = ", ".join(f"{name} x {count}" for name, count in sorted(self.without_formula.items()))
            rows.append(f"MACs unknown and left out: {counts}")
        return "\n".join(rows)


def _row(p: TruncationPoint, width: int) -> str:
    costs = f"{p.params / 1e6:>7.3f}M {p.macs / 1e9:>7.3f}G"
    if isinstance(p, UNetPoint):
        costs += f" {p.encoder_params / 1e6:>22.3f}M {p.encoder_macs / 1e9:>7.3f}G"
    place = f"{p.index:>4} {p.name:<{width}} {p.stage:>4}{'*' if p.is_stage_end else ' '}"
    return f"{place} {p.channels:>6} {p.reduction:>6} {costs}{'' if p.is_within_weights else ' ?'}"


def point_from_json(content: object, *, where: str) -> TruncationPoint:
    """The point whose `asdict` was written as JSON, by version 0.1 too, which knew squares alone.

    Keys that aren't a point's are left alone; `where` is the file, for the message.

    Raises:
        RunFolderError: it is no point; the sentence names file and field.
    """
    values = dict(content) if isinstance(content, Mapping) else content
    if isinstance(values, dict) and "sides" not in values and isinstance(values.get("image_size"), int):
        values["sides"] = [values["image_size"]] * AXES
    kind = UNetPoint if isinstance(values, dict) and "enters" in values else TruncationPoint
    return from_json(kind, values, where=where)
