"""`ttl.search`: the search for people with a training loop of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from ttl.cut.points import TruncationPoint, truncation_points
from ttl.cut.truncation import truncate
from ttl.data import Task, decode
from ttl.errors import UsageError
from ttl.finetune import Images, Settings, fit, recipe
from ttl.run.strategies import strategy as strategy_named
from ttl.search.strategy import drive, one_by_one
from ttl.stats import metrics, primary

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
    strategy: str = "two-stage",
    evaluate: Callable[[TruncationPoint], float] | None = None,
    points: Sequence[TruncationPoint] | None = None,
    image_size: int = 224,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    recipe_name: str = "full",
    epochs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> SearchResult:
    """Search the truncation point of `model` for `task`.

    Example:
        >>> import timm, ttl
        >>> model = timm.create_model("resnet10t")
        >>> scores = {"layer1.0": 0.7, "layer2.0": 0.9, "layer3.0": 0.9, "layer4.0": 0.8}
        >>> ttl.search(None, model, image_size=64, evaluate=lambda p: scores.get(p.name, 0.0)).point.name
        'layer2.0'

    Args:
        task: from `ttl.load_task`; None if `evaluate` is given.
        model: any network that takes images; it is left as it is.
        strategy: name of the search strategy.
        evaluate: takes a point, returns a validation score, the higher the better; by default a fine-tune
            with the recipe, scored by its validation AUPRC.
        points: those to search among; all of the model's by default.
        image_size: side of the square input in pixels.
        mean: of the input's channels, for pixels in 0..1.
        std: likewise.
        recipe_name: how each candidate is fine-tuned.
        epochs: at most so many a fine-tune.
        seed: of heads, order and augmentation.
        device: where to train.

    Raises:
        TTLError: the model can't be cut, an option is no good, or a fine-tune failed.
    """
    found_points = points if points is not None else truncation_points(model, image_size=image_size)
    if evaluate is None:
        if task is None:
            raise ValueError("ttl.search needs a task, or an evaluate of your own")
        evaluate = _fine_tunes(task, model, image_size, mean, std, recipe_name, epochs, seed, device)
    found = drive(strategy_named(strategy, found_points), one_by_one(evaluate))
    return SearchResult(found.choice.point, found.choice.reason, dict(found.scores))


def _fine_tunes(
    task: Task,
    model: nn.Module,
    image_size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    recipe_name: str,
    epochs: int | None,
    seed: int,
    device: str,
) -> Callable[[TruncationPoint], float]:
    chosen = recipe(recipe_name)
    if chosen.random_start or chosen.needs_freeze_point:
        raise UsageError(f"ttl.search can't follow {chosen.name}: hand it an evaluate of your own, or use ttl.run")
    if task.kind == "segmentation":
        raise UsageError("ttl.search doesn't fine-tune on masks: hand it an evaluate of your own, or use ttl.run")
    train, val = (Images(decode(s, image_size=image_size), s.labels) for s in (task.train, task.val))
    settings = Settings(kind=task.kind, mean=mean, std=std, seed=seed, epochs=epochs, device=device)
    metric = primary(task.kind)

    def evaluate(point: TruncationPoint) -> float:
        small = truncate(model, point, num_classes=len(task.class_names), dropout=chosen.dropout, seed=seed)
        fit(small, train, val, chosen, settings)
        predicted = val.predict(small, kind=task.kind, mean=mean, std=std, device=device)
        return metrics(task.kind, val.labels, predicted)[metric]

    return evaluate
