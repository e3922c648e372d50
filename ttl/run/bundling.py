"""What is saved beside a fine-tune's weights: all that whoever uses the model must know."""

from __future__ import annotations

from torch import nn

from ttl import __version__
from ttl.export.bundle import Bundle
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.run.setting import RunSetting
from ttl.study.candidate import Candidate
from ttl.study.record import TrialRecord


def bundle_of(setting: RunSetting, candidate: Candidate, model: nn.Module, record: TrialRecord) -> Bundle:
    """What a fine-tuned cut is, and how to rebuild it.

    Args:
        setting: of the run.
        candidate: which cut.
        model: as it was fine-tuned, its head included.
        record: of the fine-tune, with its figures.
    """
    return Bundle(
        contract_of(setting, candidate, model, record), candidate.top, setting.head.pool, setting.head.dropout
    )


def contract_of(setting: RunSetting, candidate: Candidate, model: nn.Module, record: TrialRecord) -> Contract:
    """The contract of a fine-tuned model."""
    network, task = setting.network, setting.task
    return Contract(
        kind=task.kind,
        class_names=task.class_names,
        sides=setting.sides,
        channels=1 if task.train.source.channels == 1 else 3,
        mean=network.spec.mean,
        std=network.spec.std,
        decoding=Decoding(network.spec.interpolation, setting.config.window),
        provenance=Provenance(
            network=network.name,
            weights=network.weights.summary(),
            cut=candidate.name,
            index=candidate.top.index,
            params=sum(parameter.numel() for parameter in model.parameters()),
            macs=candidate.costs.macs,
            data_fingerprint=task.fingerprint,
            ttl_version=__version__,
            recipe=setting.recipe.name,
            data_name=task.name,
        ),
        divisor=setting.divisor(candidate.top),
        metrics={"val": record.val, "test": record.test},
    )
