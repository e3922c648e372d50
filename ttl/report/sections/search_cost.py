"""What the search cost, and what was tried in which order."""

from __future__ import annotations

from ttl.report.page_blocks import Block, Cell, Facts, Listing, Prose, Section, Table, amount, metric_cell, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import SearchStep, StoppedFineTunes
from ttl.words import units
from ttl.words.counts import counted


def search_cost(report: RunReport) -> Section:
    """Fine-tunes, epochs, training MACs and seconds."""
    search = report.search
    pairs = (
        ("Strategy", Cell(search.strategy)),
        ("Candidates", Cell(f"{len(report.candidates)} tried of {len(report.points)} points")),
        ("Fine-tunes", amount(search.fine_tunes)),
        ("Epochs, all fine-tunes together", amount(search.epochs)),
        ("Training MACs", amount(search.train_macs, units.large)),
        ("Time", amount(search.seconds, units.duration, "s")),
    )
    blocks: list[Block] = [Facts(pairs)]
    if search.steps:
        blocks.append(Listing(tuple(map(_step, search.steps))))
    if search.stopped:
        blocks += _stopped(report, search.stopped)
    return Section("cost", "What the search cost", tuple(blocks))


def _step(step: SearchStep) -> str:
    paused = "" if step.epochs is None else f", {counted(step.epochs, 'epoch')}"
    return f"{step.phase.capitalize()}{paused}: {', '.join(step.points) or 'nothing left to try'}"


def _stopped(report: RunReport, stopped: StoppedFineTunes) -> list[Block]:
    """The fine-tunes that fell behind, and what that saved."""
    if not stopped.points:
        return [Prose("No fine-tune fell so far behind that it was stopped.")]
    rows = tuple(row(of.cut, amount(of.epochs), metric_cell(of.val, report.score)) for of in stopped.points)
    caption = (
        "Fine-tunes that fell behind and were stopped, so that none of them could be chosen. Val: the best value until "
        "then."
    )
    saved = _saved(stopped.train_macs_saved_at_most, report.search.train_macs)
    return [Table(caption, ("Point", "Epochs", f"Val {report.score.name}"), rows), Prose(saved)]


def _saved(macs: int | None, spent: int) -> str:
    if macs is None:
        return "What stopping them saved is not known: nothing says how many epochs they would have had."
    share = units.percent(units.share(macs, spent))
    return f"Stopping them saved at most {units.large(macs)} training MACs, {share} of what the search took."
