"""The verbs' work: plan, run, finetune, export, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ttl import processes
from ttl.bundle import DESCRIPTION, load_bundle
from ttl.config import RunConfig
from ttl.data import decode, load_task
from ttl.errors import DataError, RunFolderError, TrainingError, UsageError
from ttl.export.to_onnx import ExportResult
from ttl.finetune import Images, fit
from ttl.pipeline.budget import within_latency
from ttl.pipeline.deliver import CHOSEN, FULL, export_model, export_trial, measure_latency
from ttl.pipeline.events import Note, Watch, unwatched
from ttl.pipeline.prepare import SCORE, Prepared, prepare, task_of
from ttl.pipeline.probing import probe_curve
from ttl.pipeline.provenance import open_run
from ttl.pipeline.repeats import Repeats
from ttl.pipeline.trial import Record, identity, run_trial
from ttl.pipeline.verdict import MACS_PER_TRAINING_STEP, compared, describe_task, latency_json, report
from ttl.points import TruncationPoint, TruncationPoints
from ttl.report import write_report
from ttl.search.exhaustive import exhaustive
from ttl.search.probe import Curve, Probed, probe
from ttl.search.select import choose_best, choose_smallest
from ttl.search.strategy import Chooser, Found, Strategy, drive
from ttl.search.study import RUN, Study
from ttl.search.two_stage import two_stage
from ttl.truncation import truncate

LATENCY_SECONDS = 20.0
REPORT = "report.json"
DELIVERED = "delivered.json"
STRATEGIES: dict[str, Callable[[Sequence[TruncationPoint], Chooser, Callable[[], Curve]], Strategy]] = {
    "two-stage": lambda points, choose, _: two_stage(points, choose),
    "exhaustive": lambda points, choose, _: exhaustive(points, choose),
    "probe": probe,
}


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
    study = Study(config.out or Path("ttl-run"))
    with study.held():
        prepared = within_latency(prepare(config, watch, cache_dir=study.folder / "cache"), study, watch)
        job = _Job(prepared, study, open_run(prepared, study), watch)
        found = drive(strategy(config.strategy, prepared.candidates, job.chooser(), job.probed), job.evaluate)
        job.evaluate(prepared.points[-1])
        watch(Note(f"Chosen: {found.choice.reason}"))
        content = job.publish(found)
        if processes.is_main():
            content = job.deliver(found) if deliver else content
            write_report(study.folder)
        return Finished(study.folder, content, job.trained)


class _Job:
    """One run under way: the trials so far, and the report of them on disk."""

    def __init__(self, prepared: Prepared, study: Study, started: dict[str, Any], watch: Watch) -> None:
        self.prepared = prepared
        self.study = study
        self.started = started
        self.watch = watch
        self.tried: dict[str, Repeats] = {}
        self.failed: dict[str, str] = {}
        self.curve: Curve = {}
        self.trained = 0

    def evaluate(self, point: TruncationPoint) -> float:
        """The validation score of the fine-tunes at `point`; NaN if they failed, and the search goes on.

        Raises:
            TrainingError: the whole network failed: there would be nothing to compare with.
        """
        for seed in self.prepared.seeds if point.name not in self.tried | self.failed else ():
            try:
                self._repeat(point, seed)
            except TrainingError as error:
                if point is self.prepared.points[-1]:
                    raise
                # With a seed missing its mean would be no fair one: the point is out.
                self.tried.pop(point.name, None)
                self.failed[point.name] = str(error)
                self.watch(Note(f"The fine-tune at {point.name} failed: {error}; the search goes on"))
                break
        return self.tried[point.name].score if point.name in self.tried else float("nan")

    def _repeat(self, point: TruncationPoint, seed: int) -> None:
        """One more fine-tune of the point."""
        number = sum(len(repeats.records) for repeats in self.tried.values()) + 1
        is_new = self.study.trial(identity(self.prepared, point, seed)) is None
        record = run_trial(self.prepared, self.study, point, self.watch, seed=seed, number=number)
        self.trained += is_new
        earlier = self.tried[point.name].records if point.name in self.tried else ()
        self.tried[point.name] = Repeats((*earlier, record))
        self.publish(None)

    def probed(self) -> Curve:
        """The probe's curve over the candidates."""
        self.watch(Note(f"Probing {len(self.prepared.candidates)} points: one pass over the training images"))
        self.curve = probe_curve(self.prepared, self.study)
        return self.curve

    def chooser(self) -> Chooser:
        """What picks among the points tried, as the run asks."""
        return choose_best if self.prepared.config.select == "best" else choose_smallest(self._not_inferior)

    def _not_inferior(self, point: TruncationPoint, best: TruncationPoint) -> str | None:
        """What shows, on the validation images, that `point` loses less than the margin against `best`."""
        found = compared(self.prepared, self.tried[point.name].best, self.tried[best.name].best, "val")
        if not found.shown:
            return None
        gap = found.difference
        return (
            f"the difference in validation {SCORE.upper()} is {gap.value:+.4f} (95 % interval {gap.ci_low:+.4f} to "
            f"{gap.ci_high:+.4f}), a loss of less than {found.margin:g}"
        )

    def publish(self, found: Found | None, **delivered: Any) -> dict[str, Any]:
        """Write report.json from what is known so far."""
        known = {"exported": None, "latency": (), "curve": self.curve, **delivered}
        tried = list(self.tried.values())
        content = report(self.prepared, tried, found=found, run=self.started, failed=self.failed, **known)
        self.study.write(REPORT, content)
        return content

    def deliver(self, found: Found) -> dict[str, Any]:
        """Export the chosen model and the whole network, and time them against each other.

        What an earlier, finished call delivered from the same trials is taken as it is: its files are there
        and checked, and a latency measured again would only be another sample.
        """
        chosen = self.tried[found.choice.point.name].best
        whole = self.tried[self.prepared.points[-1].name].best
        sources = [chosen["id"], whole["id"]]
        earlier = self.study.read(DELIVERED)
        files = [self.study.folder / CHOSEN, self.study.folder / FULL]
        if earlier is None or earlier["trials"] != sources or not all(path.is_file() for path in files):
            earlier = self._delivered(chosen, whole, sources)
            self.study.write(DELIVERED, earlier)
        return self.publish(found, exported=earlier["export"], latency=earlier["latency"])

    def _delivered(self, chosen: Record, whole: Record, sources: list[str]) -> dict[str, Any]:
        folder, config = self.study.folder, self.prepared.config
        self.watch(Note(f"Exporting {CHOSEN} ({chosen['cut']}) and {FULL} ({whole['cut']}), and checking them"))
        exported = export_trial(self.prepared, self.study, chosen, folder / CHOSEN)
        full = export_trial(self.prepared, self.study, whole, folder / FULL)
        exported |= {f"full_{key}": full[key] for key in ("path", "size_bytes", "parity_max_abs")}
        self.watch(Note("Timing them against each other on the CPU"))
        rows = measure_latency(folder, threads=config.threads, budget_seconds=LATENCY_SECONDS, seed=config.seed)
        return {"trials": sources, "export": exported, "latency": [latency_json(row) for row in rows]}


def _no_curve() -> Curve:
    raise UsageError("--strategy probe needs the images that a run has: use ttl run, or another strategy")


def strategy(
    name: str,
    points: Sequence[TruncationPoint],
    choose: Chooser = choose_best,
    curve: Callable[[], Curve] = _no_curve,
) -> Strategy:
    """The search strategy of that name over `points`, which leaves the choice among those it tried to `choose`.

    Args:
        name: of the strategy.
        points: to search among, lowest first.
        choose: picks among those that were tried.
        curve: probes all points, for strategies that begin with that.

    Raises:
        UsageError: there is none.
    """
    if name not in STRATEGIES:
        raise UsageError(f"There is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name](points, choose, curve)


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
        prepared = prepare(config, watch, cache_dir=study.folder / "cache")
        point = prepared.points.find(cut)
        open_run(prepared, study)
        records = [
            run_trial(prepared, study, point, watch, seed=seed, number=number)
            for number, seed in enumerate(prepared.seeds, start=1)
        ]
        repeats = Repeats(tuple(records))
        return Tuned(study.trial_folder(repeats.best["id"]), repeats)


def export(source: Path, path: Path | None = None, *, data: str | None = None) -> tuple[Path, ExportResult]:
    """Export the chosen model of a run folder, or a trial's folder, to a checked ONNX file.

    Args:
        source: a run folder, or a folder with a saved model.
        path: the file; `model.onnx` in `source` by default.
        data: images to check the file on; the run's own by default.

    Raises:
        TTLError: nothing to export there, no images to check on, or a file that failed its checks.
    """
    folder = source if (source / DESCRIPTION).is_file() else _chosen_trial(source)
    model, bundle = load_bundle(folder)
    images = _validation_images(folder, bundle.image_size, bundle.interpolation, data)
    target = path or source / CHOSEN
    return target, export_model(model, bundle, target, images)


def _chosen_trial(run_folder: Path) -> Path:
    study = Study(run_folder)
    content = study.read(REPORT)
    if content is None or "chosen" not in content:
        raise RunFolderError(
            f"{run_folder} holds neither a finished run nor a saved model: give a run folder or one of its trials"
        )
    return study.trial_folder(content["chosen"]["trial"])


def _validation_images(folder: Path, image_size: int, interpolation: str, data: str | None) -> torch.Tensor:
    options = next((known for place in (folder, *folder.parents[:2]) if (known := Study(place).read(RUN))), None)
    if data is None and options is None:
        raise DataError(f"{folder} doesn't say what data it was trained on: give images to check on with --data")
    config = RunConfig.from_json(options["config"]) if options else None
    is_the_runs = config is not None and data in (None, config.data)
    task = task_of(config) if config is not None and is_the_runs else load_task(str(data))
    return decode(task.val, image_size=image_size, interpolation=interpolation)


def rebuild_report(folder: Path) -> Path:
    """Build report.html anew from report.json, of a finished run or one under way.

    Raises:
        RunFolderError: there is no report.json.
    """
    return write_report(folder)


@dataclass(frozen=True)
class Planned:
    """What a run would do, known without training."""

    task: dict[str, Any]
    points: TruncationPoints
    coarse: tuple[str, ...]
    """The points that the search begins with; none where a probe decides which."""
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
    first = rehearsal[-1].steps[0]
    measured = (f"{prepared.latency.words()}.",) if prepared.latency else ()
    return Planned(
        task=describe_task(prepared.task),
        points=points,
        coarse=() if config.strategy == "probe" else tuple(point.name for point in first.points),
        most_trials=config.seeds * max(len(found.scores) for found in rehearsal),
        macs_per_epoch=MACS_PER_TRAINING_STEP * points[-1].macs * len(prepared.task.train),
        seconds_per_epoch=_seconds_per_epoch(prepared),
        weights=prepared.backbone.weights.summary(),
        notes=prepared.task.notes + measured,
    )


def _rehearse(name: str, points: Sequence[TruncationPoint], winner: TruncationPoint) -> Found:
    """The search as it would go if scores fell off with the distance to `winner`."""

    def curve() -> Curve:
        return {point.name: Probed(-float(abs(point.index - winner.index)), 0.0) for point in points}

    return drive(strategy(name, points, curve=curve), lambda point: -float(abs(point.index - winner.index)))


def _seconds_per_epoch(prepared: Prepared) -> float:
    """Wall seconds of an epoch of the whole network, from a few training steps on random images."""
    config, task = prepared.config, prepared.task
    batch = min(config.batch_size or prepared.recipe.batch_size, len(task.train))
    few = max(2, min(batch, 16))
    side = prepared.image_size
    pixels = torch.randint(0, 256, (few, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = task.train.labels[torch.arange(few).numpy() % len(task.train)]
    classes = len(task.class_names)
    model = truncate(prepared.backbone.model, prepared.points[-1], num_classes=classes, pool=config.pool)
    images = Images(pixels, labels)
    start = perf_counter()
    settings = replace(prepared.settings(config.seed), epochs=1, batch_size=few, balance="none")
    fit(model, images, images, prepared.recipe, settings)
    # The epoch validates too: few images forward cost a third of few images trained on.
    return (perf_counter() - start) * (len(task.train) + len(task.val) / 3) / (few * 4 / 3)
