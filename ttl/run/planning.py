"""`ttl plan`: what a run would do and cost, known without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import torch

from ttl.config import RunConfig
from ttl.cut.points import TruncationPoints
from ttl.data import describe
from ttl.data.decoded import Images, Split
from ttl.data.describe import Description
from ttl.data.masked_images import MaskedImages
from ttl.finetune import fit
from ttl.run.budget import within_latency
from ttl.run.events import Watch, unwatched
from ttl.run.prepare import prepare
from ttl.run.report_writer import MACS_PER_TRAINING_STEP
from ttl.run.setting import RunSetting
from ttl.run.trial_run import settings_of
from ttl.search.evidence.curve import Curve, Look
from ttl.search.evidence.overlap import OVERLAP
from ttl.search.strategies import STRATEGIES, strategy
from ttl.search.strategy import SearchEnd, drive, one_by_one
from ttl.stats import Power
from ttl.study.candidate import Candidate
from ttl.words.metric import metric


@dataclass(frozen=True)
class Planned:
    """What a run would do."""

    task: Description
    points: TruncationPoints
    coarse: tuple[str, ...]
    """The points that the search begins with; none where a look at all of them decides which."""
    begins: str
    """The same in words."""
    most_trials: int
    macs_per_epoch: int
    """Training multiply-adds of one epoch of the whole network."""
    seconds_per_epoch: float
    """Likewise, estimated from timed training steps on this machine."""
    weights: str
    notes: tuple[str, ...]
    power: Power
    """What the test images can show."""
    can_show: str
    """The same in words."""


def plan(config: RunConfig, *, watch: Watch = unwatched) -> Planned:
    """What the data holds, the split, the candidates, and what a search would cost. Nothing is kept.

    Raises:
        TTLError: a bad option or bad data, as a run would find it.
    """
    setting = within_latency(prepare(config, watch), None, watch)
    rehearsals = [_rehearse(config.strategy, setting.candidates, winner) for winner in setting.candidates]
    look = STRATEGIES[config.strategy].begins
    coarse = () if look else tuple(candidate.name for candidate in rehearsals[-1].steps[0].candidates)
    # The joint network is a fine-tune more, whose score isn't a candidate's.
    joint = config.strategy == "joint"
    most = max(len(rehearsal.scores) for rehearsal in rehearsals) + joint
    if config.folds is not None:  # each in every fold, then the chosen and the whole network on all images
        most = most * config.folds + 2 + joint
    power = setting.power()
    measured = (f"{setting.latency.words()}.",) if setting.latency else ()
    return Planned(
        task=describe(setting.data),
        points=setting.network.points,
        coarse=coarse,
        begins=look or ", ".join(coarse),
        most_trials=config.seeds * most,
        macs_per_epoch=MACS_PER_TRAINING_STEP * setting.whole.costs.macs * setting.samples_per_epoch,
        seconds_per_epoch=_seconds_per_epoch(setting),
        weights=setting.network.weights.summary(),
        notes=setting.task.notes + measured,
        power=power,
        can_show=power.words(metric(setting.metric).name, setting.margin),
    )


def _rehearse(name: str, candidates: tuple[Candidate, ...], winner: Candidate) -> SearchEnd:
    """The search as it would go if scores fell off with the distance to `winner`."""

    def score(candidate: Candidate) -> float:
        return -float(abs(candidate.top.index - winner.top.index))

    def overlap(candidate: Candidate) -> float:
        return 0.0 if candidate.top.index < winner.top.index else OVERLAP

    def curve(value: Callable[[Candidate], float]) -> Curve:
        return Curve("", "", tuple(Look(candidate.top.name, value(candidate), 0.0) for candidate in candidates))

    evidence = {name: partial(curve, overlap if name == "svcca" else score) for name in ("probe", "joint", "svcca")}
    return drive(strategy(name, candidates, evidence=evidence), one_by_one(score))


def _seconds_per_epoch(setting: RunSetting) -> float:
    """Wall seconds of an epoch of the whole network, from a few training steps on random images."""
    config, task, whole = setting.config, setting.task, setting.whole
    batch = min(config.batch_size or setting.recipe.batch_size, len(task.train))
    few = max(2, min(batch, 16))
    model = whole.build(setting.network, setting.head, config.seed)
    images = _random_images(setting, few)
    settings = replace(settings_of(setting, config.seed, whole.top), epochs=1, batch_size=few, balance="none")
    fit(model, images, images, setting.recipe, settings)  # first calls choose kernels, which takes longer than a step
    start = perf_counter()
    fit(model, images, images, setting.recipe, settings)
    # The epoch validates too: few images forward cost a third of few images trained on.
    samples = setting.samples_per_epoch
    val = len(task.val) * samples / len(task.train)
    return (perf_counter() - start) * (samples + val / 3) / (few * 4 / 3)


def _random_images(setting: RunSetting, few: int) -> Split:
    """Noise in the place of training images, with labels that some of them have."""
    task, generator = setting.task, torch.Generator().manual_seed(0)
    labels = task.train.labels[torch.arange(few).numpy() % len(task.train)]
    pixels = torch.randint(0, 256, (few, 3, *setting.sides), dtype=torch.uint8, generator=generator)
    if not setting.kind.per_pixel:
        return Images(pixels, labels)
    classes = len(task.class_names)
    masks = torch.randint(0, classes, (few, *setting.sides), dtype=torch.uint8, generator=generator)
    return MaskedImages(list(pixels), list(masks), labels, setting.sides, [None] * few)
