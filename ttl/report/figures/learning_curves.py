"""Validation metric and losses, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ttl.finetune.epoch import Epoch
from ttl.report.figures import svg
from ttl.report.figures.depth_axis import ROLES, Role
from ttl.report.page_blocks import PLOTTED, Figure, Table, amount, plain_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult
from ttl.typed import to_json
from ttl.words import units

KEPT = "The ringed epoch is the one whose weights were kept: the best by what the recipe watches."
LOSSES = "Dashed: training loss. Solid: validation loss."


@dataclass(frozen=True)
class Series:
    """One line of a learning-curve plot; `ys` may hold NaN. `kept` is the epoch whose weights were, where it is drawn.

    Epochs are counted from 1 through all phases.
    """

    label: str
    class_: str
    ys: tuple[float, ...]
    kept: int = 0

    @property
    def defined(self) -> list[float]:
        """Its finite values."""
        return [y for y in self.ys if math.isfinite(y)]


def learning_figures(report: RunReport, networks: Mapping[Role, CandidateResult]) -> list[Figure]:
    """The two plots; `networks` maps a role (`chosen`, `full`) to its candidate."""
    title, scores, losses = f"validation {report.score.titled}", [], []
    for role, candidate in networks.items():
        curve = candidate.curve
        values = tuple(epoch.val.get(report.metric, math.nan) for epoch in curve)
        scores.append(Series(ROLES[role], role, values, candidate.best_epoch))
        train, val = tuple(epoch.train_loss for epoch in curve), tuple(epoch.val_loss for epoch in curve)
        losses.append(Series(f"{ROLES[role]}, training", f"{role} dashed", train))
        losses.append(Series(f"{ROLES[role]}, validation", role, val))
    figures = (
        _figure("curve-metric", title, KEPT, scores, report.score.ceiling, report.score.text),
        _figure("curve-loss", "loss", LOSSES, losses, math.inf, units.significant),
    )
    return [figure for figure in figures if figure is not None]


def _figure(
    name: str, y_title: str, hint: str, series: Iterable[Series], ceiling: float, text: Callable[[float], str]
) -> Figure | None:
    drawn = [line for line in series if line.defined]
    if not drawn:
        return None
    last = max(len(line.ys) for line in drawn)
    axes = svg.Axes.spanning((0.5, last + 0.5), svg.padded((y for line in drawn for y in line.ys), 0.0, ceiling))
    layers, described = [axes.frame("epoch", y_title)], []
    for line in drawn:
        layers.append(axes.path(range(1, len(line.ys) + 1), line.ys, line.class_))
        if 0 < line.kept <= len(line.ys) and math.isfinite(y := line.ys[line.kept - 1]):
            label = f"{line.label}, epoch {line.kept}: {text(y)}"
            layers.append(axes.dot(line.kept, y, f"kept {line.class_}", label, square="full" in line.class_))
        first, final = (units.significant(line.defined[at]) for at in (0, -1))
        described.append(f"{line.label}: {len(line.ys)} epochs, from {first} to {final}")
    picture = svg.plot(name, f"{y_title} by epoch", f"{'; '.join(described)}.", *layers)
    key = tuple((f"line-key {line.class_}", line.label) for line in drawn)
    rows = []
    for i in range(last):
        values = (line.ys[i] if i < len(line.ys) else None for line in drawn)
        rows.append(row(str(i + 1), *(amount(value, units.significant) for value in values)))
    data = Table(PLOTTED, ("Epoch", *(line.label for line in drawn)), tuple(rows), folded=True)
    return Figure(name, picture, f"{y_title[0].upper()}{y_title[1:]} after each epoch. {hint}", key, data)


def epochs_table(label: str, curve: Sequence[Epoch]) -> Table:
    """Everything that was recorded of each epoch of one fine-tune."""
    epochs = [to_json(epoch) for epoch in curve]
    keys = tuple(dict.fromkeys(key for epoch in epochs for key in epoch))
    rows = tuple(row(*(plain_cell(epoch.get(key)) for key in keys)) for epoch in epochs)
    return Table(f"Every epoch: {label}", tuple(key.replace("_", " ") for key in keys), rows, folded=True)
