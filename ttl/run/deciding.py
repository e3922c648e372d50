"""How the probabilities of a fine-tuned model become decisions: set on the validation images, kept beside the trial."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from ttl.deliver.file_record import FileRecord
from ttl.errors import RunFolderError
from ttl.export.bundle import load_bundle
from ttl.finetune import from_main
from ttl.run.context import RunContext
from ttl.stats import DecisionRule
from ttl.study.folder import TRIALS, Study
from ttl.study.record import TrialRecord
from ttl.typed import REMEDY

DECISION = "decision.json"


def rule_of(context: RunContext, record: TrialRecord) -> DecisionRule:
    """The decision rule of a trial: set, or read where an earlier call set it for the same aim.

    Raises:
        RunFolderError: the trial's files are gone or damaged, or the folder can't be written.
        DataError: there are too few validation images for the aim.
    """
    setting, study, name = context.setting, context.study, f"{TRIALS}/{record.id}/{DECISION}"
    config, task = setting.config, setting.task
    known = study.read(DecisionRule, name)
    if known is not None and not known.fits(task.class_names):
        raise RunFolderError(f"{study.folder / name} can't be trusted: it is of other classes; {REMEDY}")
    per = "pixel" if task.kind.per_pixel else config.decide_per
    if known is not None and (known.aim, known.per, known.combine) == (setting.aim, per, config.combine):
        return known
    made = replace(_set(context, record), aim=setting.aim, per=per, combine=config.combine, sisters=len(record.folds))
    study.write(name, made)
    return made


def decides_as_now(study: Study, file: FileRecord) -> bool:
    """Whether a file decides by what is the rule of its fine-tune now, and not by an earlier one."""
    rule = study.read(DecisionRule, f"{TRIALS}/{file.trial}/{DECISION}")
    return file.rule is None or rule is None or file.rule == rule.identity


def _set(context: RunContext, record: TrialRecord) -> DecisionRule:
    setting, task = context.setting, context.setting.task
    if not task.kind.per_pixel:
        val = setting.judged("val", record.predictions["val"])
        return task.kind.rule(task.class_names, task.finding, val.labels, val.rows, setting.aim, val.groups)
    if len(task.class_names) > 2:
        return DecisionRule()
    value = setting.aim.value
    if value is None:
        of = [(identity, context.of_fold(fold)) for fold, identity in enumerate(record.folds)]
        value = fmean(from_main(_of_masks(own, identity)) for identity, own in of or [(record.id, context)])
    return DecisionRule(finding=task.class_names[1:], thresholds=(value,))


def _of_masks(context: RunContext, trial: str) -> float:
    """The threshold at which a trial's masks of the validation images are best."""
    setting = context.setting
    model, bundle = load_bundle(context.study.trial_folder(trial), backbone=setting.network.model)
    images, divisor = context.images.split("val"), setting.divisor(bundle.point)
    return setting.kind.mask_threshold(model, images, context.normalise, divisor=divisor)
