"""How the candidates were fine-tuned, and what the search cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ttl.report.blocks import Block, Facts, Listing, Prose, Section, Table, facts, row
from ttl.report.figures.plots import ROLES, curve_figures, epochs_table
from ttl.report.reading import Candidate, Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import number

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


def fine_tuning(report: Report) -> Section | None:
    """Learning curves of the chosen and the whole network, and the recipe."""
    networks = _networks(report)
    blocks: list[Block] = [*curve_figures(report, networks)]
    blocks += [epochs_table(f"{ROLES[role]} ({c.cut})", c.curve) for role, c in networks.items() if c.curve]
    recipe = mapping(report.raw, "recipe")
    if recipe:
        blocks.append(facts(recipe, RECIPE_LABELS))
    if notes := _notes(report):
        blocks.append(Listing(notes))
    return Section("training", "How it was fine-tuned", tuple(blocks)) if blocks else None


def _notes(report: Report) -> tuple[str, ...]:
    """What the fine-tunes had to remark, each once, with the points that it holds for."""
    points: dict[str, list[str]] = {}
    for candidate in records(report.raw, "candidates"):
        for note in items(candidate, "notes"):
            points.setdefault(str(note), []).append(str(candidate.get("cut")))
    return tuple(f"{note} ({', '.join(cuts)})." for note, cuts in points.items())


def _networks(report: Report) -> dict[str, Candidate]:
    """The candidates whose curves are drawn, by role; the whole network once if it was chosen."""
    networks = {}
    for candidate in report.candidates:
        if report.is_chosen(candidate):
            networks["chosen"] = candidate
        elif report.is_full(candidate):
            networks["full"] = candidate
    return networks


def search_cost(report: Report) -> Section | None:
    """Fine-tunes, epochs, training MACs and seconds, and what was tried in which order."""
    search = mapping(report.raw, "search")
    if not search:
        return None
    pairs = (
        ("Strategy", units.plain(search.get("strategy"))),
        ("Candidates", _share_of_points(report)),
        ("Fine-tunes", units.whole(number(search.get("fine_tunes")))),
        ("Epochs, all fine-tunes together", units.whole(number(search.get("epochs")))),
        ("Training MACs", units.large(number(search.get("train_macs")))),
        ("Time", units.duration(number(search.get("seconds")))),
    )
    steps = tuple(_step(step) for step in records(search, "steps"))
    listing = (Listing(steps),) if steps else ()
    return Section("cost", "What the search cost", (Facts(pairs), *listing, *_stopped(report, search)))


def _stopped(report: Report, search: Mapping[str, Any]) -> tuple[Block, ...]:
    """The fine-tunes that fell behind, and what that saved; nothing where none was to be stopped."""
    stopped = mapping(search, "stopped")
    points = records(stopped, "points")
    if not stopped:
        return ()
    if not points:
        return (Prose("No fine-tune fell so far behind that it was stopped."),)
    rows = tuple(
        row(str(p.get("cut")), units.whole(number(p.get("epochs"))), report.score.text(number(p.get("val"))))
        for p in points
    )
    caption = (
        "Fine-tunes that fell behind and were stopped, so that none of them could be chosen. Val: the best value until "
        "then."
    )
    table = Table(caption, ("Point", "Epochs", f"Val {report.metric_name}"), rows)
    return (table, Prose(_saved(number(stopped.get("train_macs_saved_at_most")), number(search.get("train_macs")))))


def _saved(macs: float, spent: float) -> str:
    if math.isnan(macs):
        return "What stopping them saved is not known: nothing says how many epochs they would have had."
    relative = units.percent(units.share(macs, spent))
    share = "" if relative == units.MISSING else f", {relative} of what the search took"
    return f"Stopping them saved at most {units.large(macs)} training MACs{share}."


def _share_of_points(report: Report) -> str:
    tried = f"{len(report.candidates)} tried"
    return f"{tried} of {len(report.points)} points" if report.points else tried


def _step(step: object) -> str:
    record = step if isinstance(step, dict) else {}
    names = ", ".join(str(name) for name in items(record, "points"))
    epochs = number(record.get("epochs"))
    paused = f", {units.whole(epochs)} epoch{'' if epochs == 1 else 's'}" if math.isfinite(epochs) else ""
    return f"{str(record.get('phase', 'step')).capitalize()}{paused}: {names or 'nothing left to try'}"
