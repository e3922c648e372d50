"""The test images, used once: after the choice, by the chosen and the whole network, with an entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ttl.data.kind import Rows
from ttl.errors import DamagedError
from ttl.export.bundle import load_bundle
from ttl.finetune import from_main
from ttl.run.context import RunContext
from ttl.run.deciding import rule_of
from ttl.run.events import Note, Watch
from ttl.run.trial_run import predictions
from ttl.stats import DecisionRule, intervals
from ttl.study.folder import TRIALS
from ttl.study.ledger import Look, Occasion, enter
from ttl.study.record import TrialRecord
from ttl.study.tested import TEST, Tested, tested


def predict_test(
    context: RunContext, records: Iterable[TrialRecord], occasion: Occasion, watch: Watch
) -> dict[str, Tested]:
    """Trial -> what it gives for the test images: predicted, or read where an earlier call did.

    Where an earlier call decided otherwise, the figures are made anew, which is another look; so are other groups.

    Raises:
        RunFolderError: a trial's files are gone or damaged, or the folder can't be written.
        DataError: there are too few validation images for the operating point.
    """
    study, found = context.study, {}
    for record in {record.id: record for record in records}.values():
        rule = rule_of(context, record)
        try:
            known = tested(study, record.id)
        except DamagedError as error:
            watch(Note(str(error)))
            known = None
        if known is None or known.rule.identity != rule.identity:
            watch(Note(f"Testing {record.cut} on {len(context.setting.task.test)} images"))
            known = _tested(context, record, rule, occasion, known)
        elif set(context.setting.config.subgroup_columns) - set(known.groups):
            known = _by_other_groups(context, known)
        found[record.id] = known
    return found


def _tested(
    context: RunContext, record: TrialRecord, rule: DecisionRule, occasion: Occasion, before: Tested | None
) -> Tested:
    study, setting, task = context.study, context.setting, context.setting.task
    look = Look(occasion=occasion, trial=record.id, images=len(task.test), rule=rule.words(task.class_names))
    if before:
        enter(study, replace(look, occasion="operating point changed"), again=True)
    else:
        enter(study, look)
    if before is None or task.kind.per_pixel:
        rows, pixels = _predicted(context, record, rule)
    else:
        rows, pixels = before.rows, None
    test, names = setting.judged("test", rows), task.metrics
    figures = intervals(task.kind, test.labels, test.rows, names=names, groups=test.groups, seed=setting.config.seed)
    groups = _groups(context, before)
    made = Tested(trial=record.id, rows=rows, figures=figures, rule=rule, groups=groups, pixels=pixels)
    study.write(f"{TRIALS}/{record.id}/{TEST}", made)
    return made


def _by_other_groups(context: RunContext, known: Tested) -> Tested:
    """The same, with the groups that are looked at from now on."""
    task = context.setting.task
    rule = known.rule.words(task.class_names)
    enter(context.study, Look(occasion="other groups", trial=known.trial, images=len(task.test), rule=rule), again=True)
    made = replace(known, groups=_groups(context, known))
    context.study.write(f"{TRIALS}/{known.trial}/{TEST}", made)
    return made


def _groups(context: RunContext, before: Tested | None) -> tuple[str, ...]:
    """The columns by which somebody looked until now, those of this call included."""
    return tuple(dict.fromkeys((*(before.groups if before else ()), *context.setting.config.subgroup_columns)))


def _predicted(context: RunContext, record: TrialRecord, rule: DecisionRule) -> tuple[Rows, Rows | None]:
    """Predictions of the test images, and of masks what is known of their pixels."""
    setting = context.setting
    model, bundle = load_bundle(context.study.trial_folder(record.id), backbone=setting.network.model)
    threshold = setting.kind.pixel_threshold(rule)
    if not setting.kind.per_pixel or record.recalibration is None:
        return predictions(context, model, "test", bundle.point, threshold=threshold), None
    return from_main(
        setting.kind.tested(
            model,
            context.images.split("test"),
            context.normalise,
            recalibration=record.recalibration,
            divisor=setting.divisor(bundle.point),
            threshold=threshold,
        )
    )
