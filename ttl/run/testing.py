"""The test images, used once: after the choice, by the chosen and the whole network, with an entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from ttl.errors import DamagedError
from ttl.export.bundle import load_bundle
from ttl.run.context import RunContext
from ttl.run.events import Note, Watch
from ttl.run.trial_run import predictions
from ttl.stats import intervals
from ttl.study.folder import TRIALS
from ttl.study.ledger import Look, Occasion, enter
from ttl.study.record import TrialRecord
from ttl.study.tested import TEST, Tested, tested


def predict_test(
    context: RunContext, records: Iterable[TrialRecord], occasion: Occasion, watch: Watch
) -> dict[str, Tested]:
    """Trial -> what it gives for the test images: predicted, or read where an earlier call did.

    Raises:
        RunFolderError: a trial's files are gone or damaged, or the folder can't be written.
    """
    study, setting, found = context.study, context.setting, {}
    for record in {record.id: record for record in records}.values():
        try:
            known = tested(study, record.id)
        except DamagedError as error:
            watch(Note(str(error)))
            known = None
        if known is None:
            watch(Note(f"Testing {record.cut} on {len(setting.task.test)} images"))
            known = _tested(context, record, occasion)
        found[record.id] = known
    return found


def _tested(context: RunContext, record: TrialRecord, occasion: Occasion) -> Tested:
    study, setting, test = context.study, context.setting, context.setting.task.test
    enter(study, Look(occasion=occasion, trial=record.id, images=len(test)))
    model, bundle = load_bundle(study.trial_folder(record.id), backbone=setting.network.model)
    rows = predictions(context, model, "test", bundle.point)
    figures = intervals(
        setting.kind, test.labels, rows, names=setting.task.metrics, groups=test.groups, seed=setting.config.seed
    )
    made = Tested(trial=record.id, rows=rows, figures=figures)
    study.write(f"{TRIALS}/{record.id}/{TEST}", made)
    return made
