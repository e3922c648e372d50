"""How it was run: what the search cost, what the network began with, and everything that is needed to do it again."""

from __future__ import annotations

from ttl.report.cells import Cell, amount, facts, metric_cell
from ttl.report.page_blocks import Block, Code, Facts, Listing, Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.searched import StoppedFineTunes
from ttl.typed import to_json
from ttl.words import units
from ttl.words.counts import counted

INPUT_LABELS = {
    "image_size": "Input size, pixels",
    "interpolation": "Resized by",
    "fit": "Images of other proportions",
    "mean": "Mean",
    "std": "Std",
}
RUN_LABELS = {"seed": "Seed", "started": "Started"} | {
    key: key for key in ("schema", "config", "resolved", "data", "weights")
}
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
    steps = []
    for step in search.steps:
        paused = "" if step.epochs is None else f", {counted(step.epochs, 'epoch')}"
        steps.append(f"{step.phase.capitalize()}{paused}: {', '.join(step.points) or 'nothing left to try'}")
    blocks += [Listing(tuple(steps))] if steps else []
    blocks += _stopped(report, search.stopped) if search.stopped else []
    return Section("cost", "What the search cost", tuple(blocks))


def _stopped(report: RunReport, stopped: StoppedFineTunes) -> list[Block]:
    if not stopped.points:
        return [Prose("No fine-tune fell so far behind that it was stopped.")]
    rows = tuple(row(of.cut, amount(of.epochs), metric_cell(of.val, report.score)) for of in stopped.points)
    macs = stopped.train_macs_saved_at_most
    if macs is None:
        saved = "What stopping them saved is not known: nothing says how many epochs they would have had."
    else:
        share = units.percent(units.share(macs, report.search.train_macs))
        saved = f"Stopping them saved at most {units.large(macs)} training MACs, {share} of what the search took."
    return [Table(STOPPED, ("Point", "Epochs", f"Val {report.score.name}"), rows), Prose(saved)]


def network_weights(report: RunReport) -> Section:
    """Which pretrained weights were loaded, which are missing and which were ignored."""
    weights = report.model.weights
    pairs = (
        ("Network", Cell(report.model.name)),
        ("Weights", Cell(weights.source)),
        ("Tensors loaded", amount(weights.loaded)),
        ("Tensors missing (started at random)", Cell(str(len(weights.missing)))),
        ("Tensors in the file that fit nowhere (ignored)", Cell(str(len(weights.ignored)))),
    )
    named = ((weights.missing, "Names of the missing tensors"), (weights.ignored, "Names of the ignored tensors"))
    blocks: list[Block] = [Prose(weights.summary), Facts(pairs)]
    blocks += [Listing(names, summary) for names, summary in named if names]
    return Section("weights", "The network and its weights", (*blocks, Facts(facts(report.model, INPUT_LABELS))))


def reproduction(report: RunReport) -> Section:
    """Command, options, seed, versions and hardware."""
    run = report.run
    tables = (("Versions", run.versions), ("Hardware", to_json(run.hardware)))
    machine = (Facts(facts(of, {key: key.replace("_", " ") for key in of}), title) for title, of in tables)
    return Section("again", "To do it again", (Code(run.command), Facts(facts(run, RUN_LABELS)), *machine))
