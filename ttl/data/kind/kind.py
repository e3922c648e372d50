"""What is predicted: the noun that all that depends on it is asked of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic_core import CoreSchema, core_schema
from torch import nn

from ttl.data.decoded import Split
from ttl.data.modality.normalise import Normalise
from ttl.data.modality.resizing import Resizing
from ttl.data.records import Records
from ttl.data.task import Labels, Samples
from ttl.errors import UsageError
from ttl.stats import Aim, DecisionRule, Recalibration, all_metrics, primary
from ttl.stats.recalibration import Activation
from ttl.words.sides import Sides

Device = torch.device
Prior = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float64]  # predictions as `ttl.stats` scores them, a row an image: what a row is, the kind says


class Loss(Protocol):
    """What a network's outputs are trained towards."""

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, batch_labels: torch.Tensor) -> torch.Tensor:
        """The share that a part has in the mean loss of its batch, whose labels are `(batch, ...)`.

        Logits are `(n, ...)`, or `(n, heads, ...)` of several heads; targets are as `Split.taken` gives them.
        """


@dataclass(frozen=True)
class Objective:
    """What to train towards, and how often to draw each image where a sampler evens out the classes."""

    loss: Loss
    draws: npt.NDArray[np.float64] | None = None  # `(n,)`, sums to 1; None shows each of an epoch's samples once


@dataclass(frozen=True)
class Decided:
    """Decisions that differ between two sets of predictions, and of how many.

    `distances` has for each that differs how far the reference was from a tie, see `DecisionRule.distances`; the
    largest first.
    """

    changed: int
    of: int
    distances: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Logits:
    """What a network gives before anything makes probabilities of it, beside what it should say."""

    values: npt.NDArray[np.float64]  # `(m, outputs)`
    labels: Labels  # `(m,)` classes where the activation is a softmax, `(m, outputs)` of 1, 0 and -1 elsewhere
    units: Labels  # `(m,)` the image of each row


class Kind(str):
    """A kind of task. It is its own name (`task.kind == "binary"`), so that it goes into JSON as it is.

    A kind is one file and a row of `ttl.data.kind.KINDS`; nothing outside that room asks which one it is.
    """

    margin: ClassVar[float]  # the loss in the primary metric that doesn't matter, unless the run says otherwise
    row_axes: ClassVar[int] = 1  # axes of a row of predictions
    one_class_each: ClassVar[bool] = False
    """Whether each image has exactly one class, so that the counts of the classes add up to images."""
    has_positive: ClassVar[bool] = False  # whether it has two classes, of which class 1 is the finding
    several_classes: ClassVar[bool] = False
    """Whether each image has one of more than two classes: some may be one finding, and they may be ordered."""
    per_pixel: ClassVar[bool] = False  # whether it is pixels that are classified, so that the network draws masks

    @property
    def primary(self) -> str:
        """The metric that points are compared by."""
        return primary(self)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric."""
        return all_metrics(self)

    @property
    def file_metrics(self) -> tuple[str, ...]:
        """The metrics that are computed again from an exported file."""
        return self.metrics

    @abstractmethod
    def outputs(self, classes: int) -> int:
        """Outputs of a network for so many classes."""

    @abstractmethod
    def activation(self, outputs: int) -> Activation:
        """What makes probabilities of so many logits: `softmax` over the outputs, or a `sigmoid` of each."""

    @abstractmethod
    def check_counts(self, records: Records) -> None:
        """Refuse a data set that can't be split.

        Raises:
            DataError: too few classes, or too few images of one.
        """

    @abstractmethod
    def check_splits(self, records: Records, splits: Sequence[str]) -> tuple[str, ...]:
        """Refuse splits that lack what they need; notes on what else they lack.

        Raises:
            DataError: one does.
        """

    @abstractmethod
    def decode(self, samples: Samples, *, resizing: Resizing, cache_dir: Path | None, key: str) -> Split:
        """The split as it is learned from; see `ttl.data.decode`."""

    def samples_per_epoch(self, samples: Samples, sides: Sides) -> int:
        """How many samples an epoch shows, from what there is before anything is decoded."""
        return len(samples)

    def distance_unit(self, samples: Samples) -> str:
        """In which distances between edges are measured: `px` or `mm`; empty where there are none."""
        return ""

    @abstractmethod
    def objective(self, split: Split, *, loss: str | None, balance: str, outputs: int, device: Device) -> Objective:
        """What a network with so many outputs trains towards.

        `loss` names one where the kind has several, None its default; `balance` is what evens out rare classes: `none`,
        `loss` or `sampler`.
        """

    def loss_name(self, asked: str | None) -> str:
        """The loss of a run that asked for this one; empty where the kind has one alone."""
        return ""

    @abstractmethod
    def predict(
        self,
        model: nn.Module,
        split: Split,
        normalise: Normalise,
        *,
        divisor: int = 1,
        with_distance: bool = False,
        threshold: float | None = None,
    ) -> Rows:
        """What a network predicts for a split, in eval mode: a row an image, or `(n, heads, ...)` of several heads.

        The sides of the network's input have to be multiples of `divisor`; `with_distance` measures distances between
        edges, too. Where rows hold decisions, of masks, those of two classes are by the `threshold`.
        """

    def by_head(self, rows: Rows) -> list[Rows]:
        """Predictions of several heads taken apart, one where there are no several."""
        return [rows] if rows.ndim == self.row_axes + 1 else list(rows.swapaxes(0, 1))

    @abstractmethod
    def logits(self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1) -> Logits:
        """The logits of a network with one head for a split, in eval mode; of pixels so many of each image."""

    @abstractmethod
    def prior_shift(self, split: Split, *, loss: str | None, balance: str, outputs: int) -> Prior:
        """What to add to logits `(outputs,)` that were trained with rare classes evened out, see `objective`.

        Weights in the loss, and draws, change the shares of the classes that the probabilities are of; this gives them
        those of the split again. Zeros where nothing was evened out.
        """

    @abstractmethod
    def log_loss(self, labels: Labels, rows: Rows) -> float:
        """The mean of minus the logarithm of what was given to the truth; nan where that is unknown of all."""

    def rule(
        self,
        class_names: Sequence[str],
        finding: tuple[str, ...],
        labels: Labels,
        rows: Rows,
        aim: Aim,
        groups: Sequence[str] | None,
    ) -> DecisionRule:
        """How probabilities become decisions, set on these images (or patients).

        Raises:
            DataError: there are too few of them for the aim.
        """
        return DecisionRule()

    def default_rule(self, class_names: Sequence[str]) -> DecisionRule:
        """How probabilities become decisions where nobody set a threshold."""
        return DecisionRule()

    def with_threshold(self, rule: DecisionRule, value: float, class_names: Sequence[str]) -> DecisionRule:
        """The rule with another threshold, of its finding or of every label.

        Raises:
            UsageError: the threshold is no probability, or there is no finding that it could be of.
        """
        aim = Aim("threshold", value).checked()
        thresholds, finding = self.places_of_threshold(rule, class_names)
        if not thresholds:
            raise UsageError(
                f"a threshold is of a finding, and the model chooses the most probable of {', '.join(class_names)}: "
                "leave --threshold out, or train with --positive to group classes into a finding."
            )
        return replace(rule, finding=finding, thresholds=(value,) * thresholds, aim=aim, set_on=())

    def places_of_threshold(self, rule: DecisionRule, class_names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """How many thresholds a rule for these classes has, and the finding, where one is of it; 0 without any."""
        finding = rule.finding or (tuple(class_names[1:]) if self.has_positive else ())
        return (1 if finding else 0), finding

    def pixel_threshold(self, rule: DecisionRule) -> float | None:
        """Of two classes of pixels, the probability of the second from which on a rule says it; None elsewhere."""
        return rule.thresholds[0] if self.per_pixel and rule.thresholds else None

    def mask_threshold(self, model: nn.Module, split: Split, normalise: Normalise, *, divisor: int = 1) -> float:
        """Of two classes of pixels, the probability of the second from which on masks are best."""
        raise TypeError(f"{self} draws no masks")

    def tested(
        self,
        model: nn.Module,
        split: Split,
        normalise: Normalise,
        *,
        recalibration: Recalibration,
        divisor: int = 1,
        threshold: float | None = None,
    ) -> tuple[Rows, Rows]:
        """Of pixels: what `predict` gives, with distances, and `(2, n, ...)` of `ttl.stats.pixel_calibration`.

        The latter are of the probabilities as they are, and as they were before the `recalibration`, from the same
        forward pass; an image is done with before the next one.
        """
        raise TypeError(f"{self} draws no masks")

    def truth(self, labels: Labels, rule: DecisionRule, class_names: Sequence[str]) -> Labels:
        """What the right decisions by a rule are."""
        return labels

    def changed(self, rows: Rows, reference: Rows, rule: DecisionRule, class_names: Sequence[str]) -> Decided | None:
        """How many decisions differ; None where rows hold decisions already, as counts of pixels do."""
        differs = rule.decisions(rows, class_names) != rule.decisions(reference, class_names)
        distances = np.sort(rule.distances(reference, class_names)[differs])[::-1]
        return Decided(int(differs.sum()), differs.size, tuple(distances.tolist()))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """In files a kind is its name."""
        from ttl.data.kind import KINDS

        return core_schema.no_info_after_validator_function(
            KINDS.__getitem__, core_schema.literal_schema(list(KINDS)), serialization=core_schema.to_string_ser_schema()
        )
