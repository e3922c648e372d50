"""The end of a fine-tune: its logits recalibrated on the validation images, and whether it was trained enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from torch import nn

from ttl.cut.last_layer import fold_in
from ttl.finetune import from_main
from ttl.run.context import RunContext
from ttl.stats import Recalibration
from ttl.stats.recalibration import Activation, fit, probable
from ttl.study.candidate import Candidate
from ttl.study.record import TrialRecord
from ttl.study.undertrained import Undertrained, is_falling
from ttl.words.text import capitalised

WITHIN = (0.05, 0.95)
SMALLEST = 1e-12  # of a probability, to have log odds


def recalibrated(context: RunContext, model: nn.Module, candidate: Candidate, record: TrialRecord) -> TrialRecord:
    """Fit a recalibration to the validation images and fold it into the model's last layer, in place.

    The shift of the class shares that `--balance` evened out goes in first. The record comes back with it, and with
    what says that the model is under-trained.
    """
    setting = context.setting
    divisor, samples = setting.divisor(candidate.top), setting.task.val
    logits = setting.kind.logits(model, context.images.split("val"), context.normalise, divisor=divisor)
    activation = setting.kind.activation(setting.head.outputs)
    made = from_main(
        fit(
            logits.values,
            logits.labels,
            activation=activation,
            prior_shift=prior_shift(context),
            units=logits.units,
            groups=samples.groups,
            seed=setting.config.seed,
        )
    )
    fold_in(model, made.scale, made.shift)
    falling = is_falling(record.curve, setting.config.epochs)
    found = undertrained(made, made.apply(logits.values), activation, falling=falling)
    words = found.words() if found else ""
    notes = (capitalised(words),) if words else ()
    return replace(record, recalibration=made, undertrained=found, notes=(*record.notes, *notes))


def prior_shift(context: RunContext) -> npt.NDArray[np.float64]:
    """`(outputs,)`: see `Kind.prior_shift`; decodes no training image unless classes were evened out."""
    config, outputs = context.setting.config, context.setting.head.outputs
    if config.balance == "none":
        return np.zeros(outputs)
    train = context.images.split("train")
    return context.setting.kind.prior_shift(train, loss=config.loss, balance=config.balance, outputs=outputs)


def undertrained(
    made: Recalibration, logits: npt.NDArray[np.float64], activation: Activation, *, falling: bool
) -> Undertrained | None:
    """What says that a model with these recalibrated logits `(m, outputs)` needed more epochs; None if nothing does."""
    given = probable(logits, activation)
    odds = logits if activation == "sigmoid" else logit(np.clip(given, SMALLEST, 1 - SMALLEST))
    low, high = np.quantile(odds, WITHIN, axis=0)
    found = Undertrained(
        log_loss=made.learned_log_loss,
        constant=made.constant_log_loss,
        error=made.constant_error,
        spread=float((high - low).max()),
        falling=falling,
    )
    return found if found.any else None
