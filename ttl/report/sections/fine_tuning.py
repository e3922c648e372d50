"""How the candidates were fine-tuned: validation metric and losses, epoch by epoch, and the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest

from ttl.report.cells import amount, facts, plain_cell
from ttl.report.figures import svg
from ttl.report.figures.depth_axis import ROLES, role
from ttl.report.page_blocks import PLOTTED, Block, Facts, Figure, Listing, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult
from ttl.typed import to_json
from ttl.words import units
from ttl.words.text import capitalised

RECIPE_LABELS = {
    "name": "Recipe",
    "source": "Source",
    "phases": "What trains",
    "epochs_cap": "Epochs at most",
    "batch_size": "Batch size",
    "accumulate": "Parts of a batch, one after another",
    "augment": "Augmentation",
    "dropout": "Dropout",
    "balance": "Rare classes evened out by",
    "amp": "Mixed precision",
    "processes": "Processes",
    "seeds": "Seeds",
}
KEPT = "The ringed epoch is the one whose weights were kept: the best by what the recipe watches."
STARTS = "{}: what it began with was kept, so no epoch is ringed."
UNDERTRAINED = (
    "Some fine-tunes needed more epochs. What is no better than always giving the same probabilities, or hardly "
    "differs from image to image, is never delivered as a cut."
)
LOSSES = "Dashed: training loss. Solid: validation loss."


@dataclass(frozen=True)
class Series:
    """One line of a learning-curve plot, by epoch; `ys` may hold NaN. `kept` is the epoch (from 1) that is ringed."""

    label: str
    class_: str
    ys: tuple[float, ...]
    kept: int = 0


def fine_tuning(report: RunReport) -> Section:
    """Learning curves of the chosen and the whole network, the recipe, and what the fine-tunes remarked."""
    roles = ((role(report, candidate.cut), candidate) for candidate in report.candidates if candidate.curve)
    curved = {of: candidate for of, candidate in roles if of != "other"}
    scores, losses = [], []
    for of, candidate in curved.items():
        name, curve = ROLES[of], candidate.curve
        values = tuple(epoch.val.get(report.metric, math.nan) for epoch in curve)
        scores.append(Series(name, of, values, candidate.best_epoch))
        losses.append(Series(f"{name}, training", f"{of} dashed", tuple(epoch.train_loss for epoch in curve)))
        losses.append(Series(f"{name}, validation", of, tuple(epoch.val_loss for epoch in curve)))
    begun = [ROLES[of] for of, candidate in curved.items() if not candidate.best_epoch]
    ringed = [KEPT] if len(begun) < len(curved) else []
    kept = " ".join([*ringed, *(STARTS.format(name.capitalize()) for name in begun)])
    score = report.score
    figures = (
        _figure("curve-metric", f"validation {score.titled}", kept, scores, score.ceiling, score.text),
        _figure("curve-loss", "loss", LOSSES, losses, math.inf, units.significant),
    )
    blocks: list[Block] = [figure for figure in figures if figure is not None]
    blocks += [_epochs_table(f"{ROLES[of]} ({candidate.cut})", candidate) for of, candidate in curved.items()]
    blocks.append(Facts(facts(report.recipe, RECIPE_LABELS)))
    if lacking := [of for of in report.candidates if of.undertrained is not None and of.undertrained.any]:
        blocks.append(Prose(UNDERTRAINED))
        blocks.append(Listing(tuple(f"{of.cut} is {of.undertrained.words()}." for of in lacking if of.undertrained)))
    points: dict[str, list[str]] = {}
    for note, cut in ((note, candidate.cut) for candidate in report.candidates for note in candidate.notes):
        points.setdefault(note, []).append(cut)
    if points:
        blocks.append(Listing(tuple(f"{note} ({', '.join(cuts)})." for note, cuts in points.items())))
    return Section("training", "How it was fine-tuned", tuple(blocks))


def _figure(
    name: str, y_title: str, hint: str, series: Iterable[Series], ceiling: float, text: Callable[[float], str]
) -> Figure | None:
    drawn = [line for line in series if any(map(math.isfinite, line.ys))]
    if not drawn:
        return None
    last = max(len(line.ys) for line in drawn)
    axes = svg.Axes.spanning((0.5, last + 0.5), svg.padded((y for line in drawn for y in line.ys), 0.0, ceiling))
    layers, described = [], []
    for line in drawn:
        layers.append(axes.path(range(1, len(line.ys) + 1), line.ys, line.class_))
        is_square, there = "full" in line.class_, [i for i, y in enumerate(line.ys, 1) if math.isfinite(y)]
        kept = [line.kept] if line.kept in there else []
        for epoch in kept or there[: len(there) == 1]:  # a line through a single point isn't to be seen
            y, ring = line.ys[epoch - 1], "kept " if kept else ""
            layers.append(
                axes.dot(epoch, y, f"{ring}{line.class_}", f"{line.label}, epoch {epoch}: {text(y)}", square=is_square)
            )
        finite = [units.significant(y) for y in line.ys if math.isfinite(y)]
        described.append(f"{line.label}: {len(line.ys)} epochs, from {finite[0]} to {finite[-1]}")
    picture = axes.plot(name, (f"{y_title} by epoch", f"{'; '.join(described)}."), ("epoch", y_title), *layers)
    key = tuple((f"line-key {line.class_}", line.label) for line in drawn)
    values = enumerate(zip_longest(*(line.ys for line in drawn)), start=1)
    rows = tuple(row(str(epoch), *(amount(y, units.significant) for y in ys)) for epoch, ys in values)
    data = Table(PLOTTED, ("Epoch", *(line.label for line in drawn)), rows, folded=True)
    return Figure(name, picture, f"{capitalised(y_title)} after each epoch. {hint}", key, data)


def _epochs_table(label: str, candidate: CandidateResult) -> Table:
    epochs = [to_json(epoch) for epoch in candidate.curve]
    keys = tuple(dict.fromkeys(key for epoch in epochs for key in epoch))
    rows = tuple(row(*(plain_cell(epoch.get(key)) for key in keys)) for epoch in epochs)
    return Table(f"Every epoch: {label}", tuple(key.replace("_", " ") for key in keys), rows, folded=True)
