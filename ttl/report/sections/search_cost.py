"""What the search cost, and what was tried in which order."""

from __future__ import annotations

from ttl.report.page_blocks import Block, Cell, Columns, Facts, Listing, Prose, Section, amount, metric_cell, table
from ttl.report.schema import RunReport
from ttl.report.schema.searched import SearchStep, StoppedFineTune, StoppedFineTunes
from ttl.words import units
from ttl.words.counts import counted

STOPPED = (
    "Fine-tunes that fell behind and were stopped, so that none of them could be chosen. Val: the best value until "
    "then."
)


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
    columns: Columns[StoppedFineTune] = {
        "Point": lambda of: of.cut,
        "Epochs": lambda of: amount(of.epochs),
        f"Val {report.score.name}": lambda of: metric_cell(of.val, report.score),
    }
    macs = stopped.train_macs_saved_at_most
    if macs is None:
        saved = "What stopping them saved is not known: nothing says how many epochs they would have had."
    else:
        share = units.percent(units.share(macs, report.search.train_macs))
        saved = f"Stopping them saved at most {units.large(macs)} training MACs, {share} of what the search took."
    return [table(STOPPED, columns, stopped.points), Prose(saved)]
