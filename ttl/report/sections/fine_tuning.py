"""How the candidates were fine-tuned."""

from __future__ import annotations

from ttl.report.figures.depth_axis import ROLES, Role, role
from ttl.report.figures.learning_curves import epochs_table, learning_figures
from ttl.report.page_blocks import Block, Facts, Listing, Section, facts
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult

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


def fine_tuning(report: RunReport) -> Section:
    """Learning curves of the chosen and the whole network, the recipe, and what the fine-tunes remarked."""
    curved = _curved(report)
    blocks: list[Block] = [*learning_figures(report, curved)]
    blocks += [epochs_table(f"{ROLES[of]} ({c.cut})", c.curve) for of, c in curved.items()]
    blocks.append(Facts(facts(report.recipe, RECIPE_LABELS)))
    if notes := _notes(report):
        blocks.append(Listing(notes))
    return Section("training", "How it was fine-tuned", tuple(blocks))


def _notes(report: RunReport) -> tuple[str, ...]:
    """Each remark once, with the points that it holds for."""
    points: dict[str, list[str]] = {}
    for candidate in report.candidates:
        for note in candidate.notes:
            points.setdefault(note, []).append(candidate.cut)
    return tuple(f"{note} ({', '.join(cuts)})." for note, cuts in points.items())


def _curved(report: RunReport) -> dict[Role, CandidateResult]:
    """The chosen and the whole network where they have a curve, by role; one alone if the whole one was chosen."""
    curved = {role(report, candidate.cut): candidate for candidate in report.candidates if candidate.curve}
    return {of: candidate for of, candidate in curved.items() if of != "other"}
