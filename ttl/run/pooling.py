"""The fine-tunes of all folds taken for one: each image judged by the model that didn't learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from statistics import median_high

import numpy as np

from ttl.data.folds import folds_of
from ttl.data.kind import Rows
from ttl.run.recalibrating import undertrained
from ttl.run.setting import RunSetting
from ttl.stats import Recalibration
from ttl.stats.recalibration import Method, fit, probable
from ttl.study.candidate import Candidate
from ttl.study.record import TrialRecord
from ttl.study.undertrained import Undertrained

SISTERS = (
    "Fine-tuned on train and val together for {epochs} epochs, the median of the best of {folds} folds. Its "
    "recalibration, threshold and validation figures are of those folds' models, each on the images it didn't learn "
    "from: sisters of this one, which learned from all of them"
)


def pooled_record(setting: RunSetting, candidate: Candidate, records: Sequence[TrialRecord]) -> TrialRecord:
    """One record of a candidate's fine-tunes with one seed, a fold each, in the order of the folds.

    `setting` is that of all folds together. The record has their out-of-fold predictions, recalibrated by one
    recalibration that was fitted to all of them (of masks, by each fold's own).
    """
    rows = _in_places(setting, [record.predictions["val"] for record in records])
    first = records[0]
    together = replace(
        first,
        epochs=median_high(record.epochs for record in records),
        best_epoch=median_high(record.best_epoch for record in records),
        seconds=sum(record.seconds for record in records),
        notes=tuple(dict.fromkeys(note for record in records for note in record.notes)),
        folds=tuple(record.id for record in records),
        fold=None,
    )
    if candidate.can_be_chosen:
        together = (_masks if setting.kind.per_pixel else _classes)(setting, together, records, rows)
    else:
        together = replace(together, predictions={"val": rows})
    figures = candidate.figures(setting.task, together.predictions["val"], seed=setting.config.seed)
    return replace(together, val=figures.val, heads=figures.heads)


def refit_epochs(record: TrialRecord) -> int:
    """How many epochs a fine-tune on all images has: as many as were best in the median fold."""
    return max(1, record.best_epoch)


def of_refit(record: TrialRecord, together: TrialRecord) -> Undertrained | None:
    """What says that a fine-tune on all images went wrong where those of its folds didn't; None where nothing does.

    No image is left to validate it on. But if even on the images that it learned from its last loss is no better than
    that of a constant prediction, its folds' figures aren't its own.
    """
    made = together.recalibration
    if made is None or not record.curve:
        return None
    own = Undertrained(log_loss=record.curve[-1].val_loss, constant=made.constant_log_loss, spread=nan, falling=False)
    return own if own.blocks else None


def _in_places(setting: RunSetting, parts: Sequence[Rows]) -> Rows:
    """Rows of each fold, at the places of its images."""
    of = folds_of(setting.task.train, len(parts), setting.config.seed)
    rows = np.empty((len(of), *parts[0].shape[1:]))
    for fold, part in enumerate(parts):
        rows[of == fold] = part
    return rows


def _classes(setting: RunSetting, record: TrialRecord, parts: Sequence[TrialRecord], rows: Rows) -> TrialRecord:
    activation, samples = setting.kind.activation(setting.head.outputs), setting.task.val
    made = [part.recalibration for part in parts if part.recalibration is not None]
    before = [of.logits_before(part.predictions["val"], activation) for of, part in zip(made, parts, strict=True)]
    logits = _in_places(setting, before)
    shift = np.mean([of.prior_shift for of in made], axis=0)
    seed, groups = setting.config.seed, samples.groups
    found = fit(logits, samples.labels, activation=activation, prior_shift=shift, groups=groups, seed=seed)
    falling = any(part.undertrained is not None and part.undertrained.falling for part in parts)
    changed = found.apply(logits)
    return replace(
        record,
        recalibration=found,
        undertrained=undertrained(found, changed, activation, falling=falling),
        predictions={"val": probable(changed, activation)},
    )


def _masks(setting: RunSetting, record: TrialRecord, parts: Sequence[TrialRecord], rows: Rows) -> TrialRecord:
    """Masks hold no logits any more: the mean of what each fold found."""
    made = [part.recalibration for part in parts if part.recalibration is not None]
    scales, shifts = np.array([of.scale for of in made]), np.array([of.shift for of in made])
    prior = np.array([of.prior_shift for of in made]).mean(axis=0)
    used: Method = next((of.method for of in made if of.method != "none"), "none")
    together = Recalibration(
        method=used,
        scale=tuple(np.exp(np.log(scales).mean(axis=0)).tolist()),
        shift=tuple(shifts.mean(axis=0).tolist()),
        prior_shift=tuple(prior.tolist()),
        units=sum(of.units for of in made),
        log_loss_before=float(np.mean([of.log_loss_before for of in made])),
        log_loss_after=float(np.mean([of.log_loss_after for of in made])),
        gain_error=float(np.mean([of.gain_error for of in made])),
        constant_log_loss=float(np.mean([of.constant_log_loss for of in made])),
        learned_log_loss=float(np.mean([of.learned_log_loss for of in made])),
        constant_error=float(np.mean([of.constant_error for of in made])),
    )
    blocked = next((part.undertrained for part in parts if part.undertrained and part.undertrained.blocks), None)
    return replace(record, recalibration=together, undertrained=blocked, predictions={"val": rows})
