"""The verbs' work: plan, run, finetune, export, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ttl import processes
from ttl.config import RunConfig
from ttl.cut.points import TruncationPoint, TruncationPoints
from ttl.finetune import Images, MaskedImages, Split, fit
from ttl.report import write_report
from ttl.run.budget import within_latency
from ttl.run.engines import check_engine, engine_of
from ttl.run.events import Note, Watch, unwatched
from ttl.run.job import Job
from ttl.run.prepare import prepare
from ttl.run.prepared import Prepared
from ttl.run.provenance import open_run
from ttl.run.repeats import Repeats
from ttl.run.strategies import Sources, strategy
from ttl.run.trial import Record, finished_trial, run_trial
from ttl.run.verdict import MACS_PER_TRAINING_STEP, describe_task
from ttl.search.strategies.probe import Curve, Probed
from ttl.search.strategies.svcca import Similarity
from ttl.search.strategy import Found, drive, one_by_one
from ttl.study.engines.engine import Trial
from ttl.study.study import CACHE, Study


@dataclass(frozen=True)
class Finished:
    """What a run left behind."""

    folder: Path
    report: dict[str, Any]
    trained: int
    """Fine-tunes done by this call; 0 where all were on disk already."""


def run(config: RunConfig, *, deliver: bool = True, watch: Watch = unwatched) -> Finished:
    """Search, fine-tune, test, export, report.

    Args:
        config: what is asked for; `config.out` defaults to `ttl-run`.
        deliver: whether to export and time the result after the search.
        watch: is told what happens.

    Raises:
        TTLError: with all that was computed until then kept in the run folder.
    """
    check_engine(config)
    study = Study(config.out or Path("ttl-run"))
    with study.held():
        prepared = within_latency(prepare(config, watch, cache_dir=study.folder / CACHE), study, watch)
        started = open_run(prepared, study)
        with engine_of(prepared, study, watch) as engine:
            job = Job(prepared, study, started, watch, engine)
            found = job.search()
        watch(Note(f"Chosen: {found.choice.reason}"))
        content = job.publish(found)
        if processes.is_main():
            content = job.deliver(found) if deliver else content
            write_report(study.folder)
        return Finished(study.folder, content, job.trained)


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning at one point left behind."""

    folder: Path
    """Of the trial that validates best."""
    repeats: Repeats

    @property
    def record(self) -> Record:
        """Of the trial that validates best."""
        return self.repeats.best


def finetune(config: RunConfig, cut: str, *, watch: Watch = unwatched) -> Tuned:
    """Fine-tune at one point, once for each seed.

    Raises:
        TTLError: a bad option, bad data, or a fine-tune that failed.
    """
    study = Study(config.out or Path("ttl-run"))
    with study.held():
        prepared = prepare(config, watch, cache_dir=study.folder / CACHE)
        point = prepared.points.find(cut)
        open_run(prepared, study)
        trials = [Trial(point.name, seed) for seed in prepared.seeds]
        records = [
            finished_trial(prepared, study, trial, watch) or run_trial(prepared, study, trial, watch)
            for trial in trials
        ]
        repeats = Repeats(tuple(records))
        return Tuned(study.trial_folder(repeats.best["id"]), repeats)


def rebuild_report(folder: Path) -> Path:
    """Build report.html anew from report.json, of a finished run or one under way.

    Raises:
        RunFolderError: there is no report.json.
    """
    return write_report(folder)


LOOKS = {"probe": "a probe of all points", "joint": "one fine-tune with a head at every point"}
"""What strategies begin with that look at all points before they choose one."""


@dataclass(frozen=True)
class Planned:
    """What a run would do, known without training."""

    task: dict[str, Any]
    points: TruncationPoints
    coarse: tuple[str, ...]
    """The points that the search begins with; none where a look at all of them decides which."""
    begins: str
    """What the search begins with, in words."""
    most_trials: int
    """Fine-tunes at most."""
    macs_per_epoch: int
    """Training multiply-adds of one epoch of the whole network."""
    seconds_per_epoch: float
    """Of the whole network, estimated from timed training steps on this machine."""
    weights: str
    notes: tuple[str, ...]


def plan(config: RunConfig, *, watch: Watch = unwatched) -> Planned:
    """What the data holds, the split, the candidates, and what a search would cost. Nothing is kept.

    Raises:
        TTLError: a bad option or bad data, as a run would find it.
    """
    prepared = within_latency(prepare(config, watch), None, watch)
    points, candidates = prepared.points, prepared.candidates
    rehearsal = [_rehearse(config.strategy, candidates, winner) for winner in candidates]
    looks = LOOKS.get(config.strategy)
    coarse = () if looks else tuple(point.name for point in rehearsal[-1].steps[0].points)
    most = max(len(found.scores) for found in rehearsal) + (config.strategy == "joint")
    measured = (f"{prepared.latency.words()}.",) if prepared.latency else ()
    return Planned(
        task=describe_task(prepared.task),
        points=points,
        coarse=coarse,
        begins=looks or ", ".join(coarse),
        most_trials=config.seeds * most,
        macs_per_epoch=MACS_PER_TRAINING_STEP * points[-1].macs * prepared.shown,
        seconds_per_epoch=_seconds_per_epoch(prepared),
        weights=prepared.backbone.weights.summary(),
        notes=prepared.task.notes + measured,
    )


def _rehearse(name: str, points: Sequence[TruncationPoint], winner: TruncationPoint) -> Found:
    """The search as it would go if scores fell off with the distance to `winner`."""
    scores = {point.name: -float(abs(point.index - winner.index)) for point in points}

    def curve() -> Curve:
        return {name: Probed(score, 0.0) for name, score in scores.items()}

    def similarities() -> dict[str, Similarity]:
        return {point.name: Similarity((float(point.index < winner.index),), (0.5,)) for point in points}

    sources = Sources(curve, curve, similarities)
    return drive(strategy(name, points, sources=sources), one_by_one(lambda point: scores[point.name]))


def _seconds_per_epoch(prepared: Prepared) -> float:
    """Wall seconds of an epoch of the whole network, from a few training steps on random images."""
    config, task = prepared.config, prepared.task
    batch = min(config.batch_size or prepared.recipe.batch_size, len(task.train))
    few, whole = max(2, min(batch, 16)), prepared.points[-1]
    model = prepared.truncated(whole, config.seed)
    images = _random_images(prepared, few)
    settings = replace(prepared.settings(config.seed, whole), epochs=1, batch_size=few, balance="none")
    fit(model, images, images, prepared.recipe, settings)  # first calls choose kernels, which takes longer than a step
    start = perf_counter()
    fit(model, images, images, prepared.recipe, settings)
    # The epoch validates too: few images forward cost a third of few images trained on.
    val = len(task.val) * prepared.shown / len(task.train)
    return (perf_counter() - start) * (prepared.shown + val / 3) / (few * 4 / 3)


def _random_images(prepared: Prepared, few: int) -> Split:
    """Noise in the place of training images, with labels that some of them have."""
    side, generator = prepared.image_size, torch.Generator().manual_seed(0)
    labels = prepared.task.train.labels[torch.arange(few).numpy() % len(prepared.task.train)]
    pixels = torch.randint(0, 256, (few, 3, side, side), dtype=torch.uint8, generator=generator)
    if not prepared.segments:
        return Images(pixels, labels)
    classes = len(prepared.task.class_names)
    masks = torch.randint(0, classes, (few, side, side), dtype=torch.uint8, generator=generator)
    return MaskedImages(list(pixels), list(masks), labels, side, [None] * few)
