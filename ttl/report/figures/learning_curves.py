"""Validation metric and losses, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttl.finetune.epoch import Epoch
from ttl.report.figures import svg
from ttl.report.figures.depth_axis import ROLES, Role
from ttl.report.page_blocks import Figure, Table, amount, plain_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult
from ttl.typed import to_json
from ttl.words import units

KEPT = "The ringed epoch is the one whose weights were kept: the best by what the recipe watches."
LOSSES = "Dashed: training loss. Solid: validation loss."


@dataclass(frozen=True)
class Series:
    """One line of a learning-curve plot; `ys` may hold NaN. `kept` is the position of the epoch whose weights were."""

    label: str
    class_: str
    ys: tuple[float, ...]
    kept: int | None = None

    @property
    def xs(self) -> tuple[int, ...]:
        """Epochs, counted from 1 through all phases."""
        return tuple(range(1, len(self.ys) + 1))


def learning_figures(report: RunReport, networks: Mapping[Role, CandidateResult]) -> list[Figure]:
    """The two plots; `networks` maps a role (`chosen`, `full`) to its candidate."""
    curved = {role: candidate for role, candidate in networks.items() if candidate.curve}
    title = f"validation {report.score.titled}"
    scores = [
        _series(c, ROLES[role], role, [epoch.val.get(report.metric, math.nan) for epoch in c.curve], is_ringed=True)
        for role, c in curved.items()
    ]
    losses = [
        _series(c, f"{ROLES[role]}, {name}", f"{role} {style}".strip(), losses_of)
        for role, c in curved.items()
        for losses_of, name, style in (
            ([epoch.train_loss for epoch in c.curve], "training", "dashed"),
            ([epoch.val_loss for epoch in c.curve], "validation", ""),
        )
    ]
    figures = (
        _figure("curve-metric", title, KEPT, scores, report.score.ceiling, report.score.text),
        _figure("curve-loss", "loss", LOSSES, losses, math.inf, units.significant),
    )
    return [figure for figure in figures if figure is not None]


def _series(
    candidate: CandidateResult, label: str, class_: str, values: Sequence[float], *, is_ringed: bool = False
) -> Series:
    ys, best = tuple(values), candidate.best_epoch - 1
    kept = best if is_ringed and 0 <= best < len(ys) and math.isfinite(ys[best]) else None
    return Series(label, class_, ys, kept)


def _figure(
    name: str, y_title: str, hint: str, series: list[Series], ceiling: float, text: Callable[[float], str]
) -> Figure | None:
    drawn = [line for line in series if any(map(math.isfinite, line.ys))]
    if not drawn:
        return None
    last = max(len(line.ys) for line in drawn)
    axes = svg.Axes.spanning((0.5, last + 0.5), svg.padded((y for s in drawn for y in s.ys), 0.0, ceiling))
    layers = [axes.frame("epoch", y_title)]
    for line in drawn:
        layers.append(axes.path(line.xs, line.ys, line.class_))
        if line.kept is not None:
            y = line.ys[line.kept]
            label = f"{line.label}, epoch {line.kept + 1}: {text(y)}"
            layers.append(axes.dot(line.kept + 1, y, f"kept {line.class_}", label, square="full" in line.class_))
    description = "; ".join(f"{s.label}: {len(s.ys)} epochs, {_first_and_last(s.ys)}" for s in drawn)
    picture = svg.plot(name, f"{y_title} by epoch", f"{description}.", *layers)
    key = tuple((f"line-key {line.class_}", line.label) for line in drawn)
    rows = (
        row(str(i + 1), *(amount(s.ys[i] if i < len(s.ys) else None, units.significant) for s in drawn))
        for i in range(last)
    )
    data = Table("Data of this plot", ("Epoch", *(line.label for line in drawn)), tuple(rows), folded=True)
    return Figure(name, picture, f"{y_title[0].upper()}{y_title[1:]} after each epoch. {hint}", key, data)


def _first_and_last(ys: Sequence[float]) -> str:
    finite = [y for y in ys if math.isfinite(y)]
    return f"from {units.significant(finite[0])} to {units.significant(finite[-1])}"


def epochs_table(label: str, curve: Sequence[Epoch]) -> Table:
    """Everything that was recorded of each epoch of one fine-tune."""
    epochs = [to_json(epoch) for epoch in curve]
    keys = tuple(dict.fromkeys(key for epoch in epochs for key in epoch))
    rows = tuple(row(*(plain_cell(epoch.get(key)) for key in keys)) for epoch in epochs)
    return Table(f"Every epoch: {label}", tuple(key.replace("_", " ") for key in keys), rows, folded=True)
