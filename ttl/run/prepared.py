"""What a run works on: task, backbone, points, decoded images, and what follows from its options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.config import RunConfig
from ttl.cut.points import TruncationPoint, TruncationPoints
from ttl.cut.truncation import truncate
from ttl.data import Pairs, Samples, Task, decode, decode_pairs
from ttl.errors import UsageError
from ttl.finetune import Images, MaskedImages, Recipe, Settings, Split
from ttl.networks import Backbone, load_backbone
from ttl.run.latency_budget import LatencyBudget
from ttl.stats import primary

MARGIN, MARGIN_OF_DICE = 0.01, 0.02


@dataclass(frozen=True)
class Prepared:
    """All that trials need. Images are decoded when first asked for."""

    config: RunConfig
    task: Task
    backbone: Backbone
    points: TruncationPoints
    recipe: Recipe
    device: str
    cache_dir: Path | None
    latency: LatencyBudget | None = None
    """What was measured to keep to `max_latency_ms`; None before that, and where it isn't asked for."""

    @property
    def metric(self) -> str:
        """The validation metric that a search compares points by, whatever a recipe watches while it trains."""
        return primary(self.task.kind)

    @property
    def margin(self) -> float:
        """The loss in the metric that doesn't matter."""
        return self.config.margin or (MARGIN_OF_DICE if self.segments else MARGIN)

    @property
    def segments(self) -> bool:
        """Whether pixels are classified, by a U-Net."""
        return self.task.kind == "segmentation"

    @property
    def outputs(self) -> int:
        """Of the network: one a class; of a segmentation into two classes one, the foreground's."""
        classes = len(self.task.class_names)
        return 1 if self.segments and classes == 2 else classes

    @property
    def image_size(self) -> int:
        """Side of the square input in pixels, in segmentation of crops and windows."""
        return self.backbone.spec.image_size

    @property
    def candidates(self) -> Sequence[TruncationPoint]:
        """The points to search among.

        Raises:
            UsageError: none of them is left.
            PointError: the lowest one asked for isn't there.
        """
        if not self.config.within_weights:
            return self._affordable(self.points)
        if not self.backbone.weights.loaded:
            raise UsageError("--within-weights needs weights to stay within, and nothing was loaded: give --weights")
        covered = [point for point in self.points if point.is_within_weights]
        if not covered:
            raise UsageError(
                f"--within-weights leaves no point: {self.points[0].name}, the lowest, already holds tensors that "
                f"{self.config.weights} has not ({self.backbone.weights.summary()})"
            )
        return self._affordable(covered)

    def _affordable(self, points: Sequence[TruncationPoint]) -> Sequence[TruncationPoint]:
        """Those within the budgets."""
        config = self.config
        lowest = self.points.find(config.min_point).index if config.min_point else 1
        kept = [
            point
            for point in points
            if point.index >= lowest
            and (config.max_params is None or point.params <= config.max_params)
            and (config.max_macs is None or point.macs <= config.max_macs)
        ]
        if not kept:
            first = next((point for point in points if point.index >= lowest), points[-1])
            raise UsageError(
                f"No point is left to search among: the smallest from {first.name} on has {first.params:,} parameters "
                f"and {first.macs:,} MACs; raise --max-params or --max-macs, or lower --min-point"
            )
        if self.latency is None:
            return kept
        return kept[: [point.name for point in kept].index(self.latency.highest) + 1]

    @property
    def dropout(self) -> float:
        """Before the linear layer of the head."""
        return self.recipe.dropout if self.config.dropout is None else self.config.dropout

    @cached_property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters and buffers below the freeze point.

        Raises:
            UsageError: the recipe needs a freeze point and there is none, or the other way round.
            PointError: there is no such point.
        """
        config = self.config
        if not self.recipe.needs_freeze_point:
            if config.freeze_below:
                raise UsageError(f"--freeze-below is for recipes that freeze, and {self.recipe.name} doesn't: use lwft")
            return frozenset()
        if config.freeze_below is None:
            raise UsageError(f"--recipe {self.recipe.name} needs --freeze-below POINT: what lies up to there stays")
        below = truncate(self.backbone.model, self.points.find(config.freeze_below), num_classes=None)
        return frozenset(below.state_dict())

    @cached_property
    def images(self) -> dict[str, Images]:
        """Split name -> decoded pixels and labels, of a task that classifies."""
        return {name: self._decoded(samples) for name, samples in self.task.splits.items()}

    @cached_property
    def masked(self) -> dict[str, MaskedImages]:
        """Split name -> decoded pixels and masks, of a segmentation."""
        return {name: self._decoded_pairs(samples) for name, samples in self.task.splits.items()}

    @property
    def decoded(self) -> Mapping[str, Split]:
        """Split name -> what is learned from, whatever the kind of task."""
        return self.masked if self.segments else self.images

    def stills(self, split: str) -> torch.Tensor:
        """`(n, 1 or 3, image_size, image_size)` uint8: the images of a split; in segmentation their middles."""
        return self.decoded[split].crops()

    @property
    def shown(self) -> int:
        """Training samples of an epoch: images; in segmentation as many crops as cover them."""
        samples, side = self.task.train, self.image_size
        if not self.segments:
            return len(samples)
        return int((-(-samples.source.sizes[samples.index] // side)).prod(axis=1).sum())

    def _decoded(self, samples: Samples) -> Images:
        pixels = decode(
            samples,
            image_size=self.image_size,
            interpolation=self.backbone.spec.interpolation,
            cache_dir=self.cache_dir,
            key=self.task.fingerprint,
        )
        return Images(pixels, samples.labels)

    def _decoded_pairs(self, samples: Samples) -> MaskedImages:
        pairs = decode_pairs(samples, cache_dir=self.cache_dir, key=self.task.fingerprint)
        return masked_images(pairs, samples, self.task, self.image_size)

    @property
    def distance_unit(self) -> str:
        """Of Hausdorff distances."""
        return "px" if np.isnan(_spacing(self.task)).any() else "mm"

    @cached_property
    def split_digest(self) -> str:
        """A hash of which sample is in which split."""
        ids = {name: sorted(samples.ids) for name, samples in self.task.splits.items()}
        return hashlib.sha256(json.dumps(ids, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def seeds(self) -> range:
        """Of the fine-tunes of each point."""
        return range(self.config.seed, self.config.seed + self.config.seeds)

    def network(self, seed: int) -> nn.Module:
        """What a fine-tune with that seed starts from: the same weights for all, but random ones a seed each.

        So do the decoders of U-Nets, which no classifier's weights cover.
        """
        weights = self.backbone.weights.source
        if seed == self.config.seed or not (weights == "none" or self.segments):
            return self.backbone.model
        name, size = self.backbone.name, self.backbone.spec.image_size
        asked = weights if weights == "none" else self.config.weights
        return load_backbone(name, weights=asked, image_size=size, seed=seed).model

    def truncated(self, point: TruncationPoint, seed: int) -> nn.Module:
        """The network cut at `point`, as a fine-tune with that seed starts with it."""
        return truncate(
            self.network(seed),
            point,
            num_classes=self.outputs,
            pool=self.config.pool,
            dropout=self.dropout,
            seed=seed,
        )

    def settings(self, seed: int, point: TruncationPoint) -> Settings:
        """How a fine-tune at `point` with that seed is done, beside its recipe."""
        config, spec = self.config, self.backbone.spec
        return Settings(
            kind=self.task.kind,
            mean=spec.mean,
            std=spec.std,
            seed=seed,
            epochs=config.epochs,
            batch_size=config.batch_size,
            accumulate=config.accumulate,
            lr=config.lr,
            frozen=self.frozen,
            balance=config.balance,
            amp=config.amp,
            device=self.device,
            loss=self.loss,
            divisor=self.divisor(point),
        )

    @property
    def loss(self) -> str:
        """Of a segmentation."""
        return self.config.loss or "dice+ce"

    def divisor(self, point: TruncationPoint) -> int:
        """What the sides of an image must be multiples of for a network that is cut at `point`; 1 in classifiers."""
        return point.reduction if self.segments else 1

    def definition(self) -> dict[str, Any]:
        """What, beside the point and the seed, defines a trial's result."""
        config, spec = self.config, self.backbone.spec
        return {
            "backbone": self.backbone.name,
            "weights": self.backbone.weights.sha256 or self.backbone.weights.source,
            "data": self.task.fingerprint,
            "split": self.split_digest,
            "image_size": spec.image_size,
            "mean": spec.mean,
            "std": spec.std,
            "interpolation": spec.interpolation,
            "recipe": self.recipe.definition(),
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "lr": config.lr,
            "pool": config.pool,
            "dropout": self.dropout,
            "freeze_below": config.freeze_below,
            "balance": config.balance,
            "amp": config.amp,
            "accumulate": config.accumulate,
            **({"loss": self.loss} if self.segments else {}),
        }


def masked_images(pairs: Pairs, samples: Samples, task: Task, side: int) -> MaskedImages:
    """A decoded split of a segmentation; `side` is that of crops and windows, in pixels."""
    known = [None if isnan(down) else (down, across) for down, across in _spacing(task)[samples.index].tolist()]
    return MaskedImages(pairs.pixels, pairs.masks, samples.labels, side, known)


def _spacing(task: Task) -> npt.NDArray[np.float64]:
    """`(images, 2)` mm; unknown of all where it is of one: millimetres and pixels have no mean."""
    found = task.train.source.spacing_mm
    return np.full_like(found, np.nan) if np.isnan(found).any() else found
