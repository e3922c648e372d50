"""The ledger: every look at the test images."""

from __future__ import annotations

from ttl.report.cells import MISSING, Cell, amount
from ttl.report.page_blocks import Prose, Section, Table, row
from ttl.report.schema import RunReport
from ttl.report.wording import networks
from ttl.words.counts import counted

COUNTED = "The test images were looked at {}: each model, and each file made of it, counts as one look."
FURTHER = (
    "{} of them came on other occasions than this run, or at other models than the two. Each further look that "
    "something is changed after makes the figures more optimistic than they would be on new images."
)


def looks_at_test(report: RunReport) -> Section | None:
    """How often, on which occasions, at what; None where nobody looked."""
    if not report.looks:
        return None
    names, rows = _names_of_trials(report), []
    for look in report.looks:
        what = Cell(look.file or names.get(look.trial, "another model"), f"trial {look.trial}")
        rows.append(row(Cell(look.at) if look.at else MISSING, look.occasion, what, look.rule, amount(look.images)))
    further = sum(look.occasion != "run" or look.trial not in names for look in report.looks)
    text = COUNTED.format("once" if len(rows) == 1 else f"{len(rows)} times")
    blocks = [Prose(f"{text} {FURTHER.format(further)}" if further else text)]
    caption = f"The ledger: {counted(len(rows), 'look')} at the test images, in the order of time"
    columns = ("When (UTC)", "Occasion", "At", "Decided by", "Images")
    ledger = Table(caption, columns, tuple(rows), n_text=4, folded=True)
    return Section("ledger", "Looks at the test images", (*blocks, ledger))


def _names_of_trials(report: RunReport) -> dict[str, str]:
    """What the networks are called that were tested, by the trials of all their seeds."""
    results = {"full": report.full, "chosen": report.chosen}
    names: dict[str, str] = {}
    for which, words in networks(report).items():
        if (of := results[which]) is not None:
            seeds = (one.trials for one in report.candidates if one.cut == of.cut)
            names |= dict.fromkeys((of.trial, *next(seeds, ())), words)
    return names
