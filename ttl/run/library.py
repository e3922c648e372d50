"""`ttl.search`: the search of a run, for a task and a network at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from ttl.config import RunConfig
from ttl.cut.network import Network
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.data import Task
from ttl.data.modality.resizing import Fit
from ttl.errors import UsageError
from ttl.finetune.accelerated import resolve_device
from ttl.networks.spec import InputSpec
from ttl.networks.weights import WeightsReport
from ttl.options.read_options import python_options
from ttl.run.context import context_of
from ttl.run.events import Watch, unwatched
from ttl.run.prepare import recipe_of, setting_of
from ttl.run.provenance import open_run
from ttl.run.search_job import SearchJob
from ttl.run.trial_run import run_trial
from ttl.search.candidates import Cut
from ttl.search.strategies import strategy as strategy_named
from ttl.search.strategy import SearchEnd, drive, one_by_one
from ttl.study.engines.engine import InProcess
from ttl.study.folder import Study
from ttl.typed import digest_of
from ttl.words.sides import ImageSize, sides_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SearchResult:
    """The point that a search chose, and what it saw on the way."""

    point: TruncationPoint
    reason: str
    scores: dict[str, float]
    """Point name -> validation score of every point tried."""


def search(
    task: Task | None,
    model: nn.Module,
    *,
    strategy: str | None = None,
    evaluate: Callable[[TruncationPoint], float] | None = None,
    points: Sequence[TruncationPoint] | None = None,
    image_size: ImageSize = 224,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    interpolation: str = "bilinear",
    fit: Fit = "squash",
    out: str | Path | None = None,
    watch: Watch = unwatched,
    **options: Any,
) -> SearchResult:
    """Search the truncation point of `model` for `task`, as `ttl search` does.

    Example:
        >>> import timm, ttl
        >>> model = timm.create_model("resnet10t")
        >>> scores = {"layer1.0": 0.7, "layer2.0": 0.9, "layer3.0": 0.9, "layer4.0": 0.8}
        >>> ttl.search(None, model, image_size=64, evaluate=lambda p: scores.get(p.name, 0.0)).point.name
        'layer2.0'

    Args:
        task: from `ttl.load_task`; None if `evaluate` is given.
        model: any network that takes images, or a U-Net of segmentation_models_pytorch; it is left as it is.
        strategy: `joint` (the default, as on the command line), `two-stage`, `exhaustive`, `svcca` or `probe`. With
            an `evaluate` of your own the default is `two-stage`, and joint, svcca and probe aren't to be had.
        evaluate: takes a point, returns a validation score, the higher the better; by default each point is fine-tuned
            as the options say.
        points: those to search among; all of the model's by default. The last of the model's points stays the whole
            network that is compared with.
        image_size: side of the square input in pixels, or height and width.
        mean: of the input's channels, for pixels in 0..1; `std` likewise.
        interpolation: how images are resized: `bilinear` or `bicubic`.
        fit: what is done with images of other proportions: `squash`, `crop` or `pad`.
        out: the run folder, where a search that was stopped goes on; by default nothing is kept.
        options: those of `ttl search`, in Python's spelling (`recipe="bn"`, `epochs=10`, `margin=0.02`, ...); those of
            the data, the model and the engine aren't to be had.

    Raises:
        TTLError: the model can't be cut, an option is no good, or a fine-tune failed.
    """
    available = truncation_points(model, image_size=image_size)
    if evaluate is not None:
        if options or out is not None:
            given = ", ".join([*options, *(["out"] if out is not None else [])])
            raise UsageError(f"With an evaluate of your own nothing is fine-tuned here: leave out {given}")
        candidates = tuple(Cut("", point) for point in points or available)
        named = strategy_named(strategy or "two-stage", candidates)  # it needs no look at images
        return _result(drive(named, one_by_one(lambda cut: evaluate(cut.top))))
    if task is None:
        raise UsageError("ttl.search needs a task (ttl.load_task), or an evaluate of your own")
    digests = {
        name: hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        for name, value in model.state_dict().items()
    }
    weights = WeightsReport("the model as it was given", len(digests), sha256=digest_of(digests))
    spec = InputSpec(sides_of(image_size), mean, std, interpolation)
    network = Network(type(model).__name__, model, spec, weights, available)
    asked = options | {"fit": fit} | ({"strategy": strategy} if strategy else {})
    return _by_fine_tunes(task, network, asked, points, out, watch)


def _by_fine_tunes(
    task: Task,
    network: Network,
    options: Mapping[str, object],
    points: Sequence[TruncationPoint] | None,
    out: str | Path | None,
    watch: Watch,
) -> SearchResult:
    config = python_options(RunConfig, {"data": task.name, "model": network.name, **options})
    recipe = recipe_of(config, per_pixel=network.draws_masks)
    if recipe.random_start:
        raise UsageError(f"The recipe {recipe.name} begins with random weights: give a model that has them")
    if network.draws_masks != task.kind.per_pixel:
        needed = "a U-Net" if task.kind.per_pixel else "a classifier"
        raise UsageError(f"{task.name} is a {task.kind} task: it needs {needed}")
    setting = setting_of(config, task, network, recipe, resolve_device(config.device))
    if points is not None:
        names = {point.name for point in points}
        kept = tuple(candidate for candidate in setting.candidates if candidate.name in names)
        if not kept:
            raise UsageError(f"None of the points given is one to search among: {', '.join(sorted(names)) or 'none'}")
        setting = replace(setting, candidates=kept)
    with ExitStack() as stack:
        study = Study(Path(out or stack.enter_context(TemporaryDirectory(prefix="ttl-search-"))))
        stack.enter_context(study.held())
        context = context_of(setting, study, cache=out is not None)
        open_run(setting, study)
        engine = InProcess(lambda trial: run_trial(context, trial, watch))
        return _result(SearchJob(context, watch, engine, publish=lambda findings: None).run())


def _result(end: SearchEnd) -> SearchResult:
    scores = {candidate.name: score for candidate, score in end.scores.items()}
    return SearchResult(end.choice.candidate.top, end.choice.reason, scores)
