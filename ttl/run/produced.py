"""The evidence that a run can produce, by name; what is costly is kept in the run folder and read again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from ttl.cut.head import HEAD
from ttl.cut.unet import DECODER, SEGMENTATION_HEAD
from ttl.export.bundle import load_bundle
from ttl.run.context import RunContext
from ttl.search.evidence.curve import Curve, Look
from ttl.search.evidence.features_compared import DRAWS, Size, common_size, similarities
from ttl.search.evidence.overlap import OVERLAP, Similarities, Similarity
from ttl.search.evidence.probe import FOLDS, probe_curve
from ttl.search.evidence.samples import feature_samples
from ttl.study.record import TrialRecord
from ttl.study.trial import trial_id

PROBE, SVCCA = "probe.json", "svcca.json"


@dataclass(frozen=True)
class KeptProbe:
    """probe.json: the probe's curve, and a hash of what it was asked."""

    identity: str
    metric: str
    curve: tuple[Look, ...]
    folds: int = FOLDS


@dataclass(frozen=True)
class KeptSimilarities:
    """svcca.json: the whole distributions, how they were drawn, and a hash of what was compared."""

    identity: str
    size: Size
    draws: int
    threshold: float
    points: tuple[Similarity, ...]
    random: tuple[float, ...]


def probe(context: RunContext) -> Curve:
    """The probe's curve over the candidates: produced, or read where an earlier call did."""
    setting, study = context.setting, context.study
    without = ("recipe", "epochs", "lr")
    asked = {key: value for key, value in setting.definition().items() if key not in without}
    points = setting.points
    identity = trial_id({**asked, "seed": setting.config.seed, "points": [point.name for point in points]})
    kept = study.read(KeptProbe, PROBE)
    if kept is None or kept.identity != identity:
        samples = feature_samples(setting.network.model, points, context.training_images())
        curve = probe_curve(samples, setting.kind, len(setting.task.class_names), seed=setting.config.seed)
        kept = KeptProbe(identity, curve.metric, curve.looks)
        study.write(PROBE, kept)
    return Curve("probe", kept.metric, kept.curve)


def compared_features(context: RunContext, tuned: tuple[TrialRecord, ...]) -> Similarities:
    """SVCCA between the pretrained network and its fine-tunes at every candidate: produced, or read.

    `tuned` are the highest candidate's fine-tunes, one a seed.

    Raises:
        UsageError: there are too few training images.
        RunFolderError: a fine-tune's files are gone or damaged.
    """
    points = context.setting.points
    identity = trial_id({"trials": [record.id for record in tuned], "points": [point.name for point in points]})
    kept = context.study.read(KeptSimilarities, SVCCA)
    if kept is None or kept.identity != identity:
        made = similarities(points, [_pair(context, record) for record in tuned], context.training_images())
        size = common_size(points, len(context.setting.task.train))
        kept = KeptSimilarities(identity, size, DRAWS, OVERLAP, made.points, made.random)
        context.study.write(SVCCA, kept)
    return Similarities(kept.points, kept.random)


def _pair(context: RunContext, record: TrialRecord) -> Callable[[], tuple[nn.Module, nn.Module]]:
    """The pretrained network, and the same with the weights of its fine-tune."""

    def load() -> tuple[nn.Module, nn.Module]:
        network = context.setting.network.seeded(record.seed)
        folder = context.study.trial_folder(record.id)
        model, _ = load_bundle(folder, backbone=context.setting.network.model)
        fresh = (f"{HEAD}.", f"{DECODER}.", f"{SEGMENTATION_HEAD}.")
        learned: Mapping[str, object] = {
            name: value for name, value in model.state_dict().items() if not name.startswith(fresh)
        }
        after = copy.deepcopy(network)
        after.load_state_dict({**after.state_dict(), **learned})
        return network, after

    return load
