"""What is kept of a fine-tune: a frozen record, with one way to JSON and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator

from ttl.finetune.epoch import Epoch
from ttl.stats import Recalibration
from ttl.study.trial import labelled
from ttl.study.undertrained import Undertrained
from ttl.typed import OptionalKey
from ttl.words.estimate import Estimate

Rows = npt.NDArray[np.float64]


def _rows_from_json(values: object) -> Rows:
    """Raises ValueError for all but nested lists of numbers and null."""
    if not isinstance(values, list):
        raise ValueError("should be lists of numbers")
    try:
        return np.asarray(values, dtype=np.float64)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _rows_to_json(rows: Rows) -> list[object]:
    """Nested lists; NaN becomes null."""
    values = rows.astype(object)
    values[np.isnan(rows)] = None
    listed: list[object] = values.tolist()
    return listed


StoredRows = Annotated[Rows, PlainValidator(_rows_from_json), PlainSerializer(_rows_to_json)]


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialRecord:
    """A fine-tune of one candidate with one seed. The keys of trial.json are the names of the fields."""

    id: str  # its name: a hash of all that defines its result
    # `paused` where it has come as far as its step of the search goes, without figures yet.
    status: Literal["finished", "paused"]
    cut: str  # the candidate's name
    index: int  # of its highest truncation point
    params: int  # head excluded, as are `macs`, of one image; of a U-Net beside those of its encoder
    macs: int
    score: str = "auprc"  # the metric that chooses
    recipe: str = ""
    seed: int
    epochs: int
    best_epoch: int  # whose weights were kept; 0 is the state that it began with
    seconds: float  # of the epochs
    run: str = ""  # of the run folder that it was made in; empty in those of version 0.1
    encoder_params: OptionalKey[int] = None
    encoder_macs: OptionalKey[int] = None
    distance_unit: str = ""  # of Hausdorff distances; empty where there are none
    # Ids of the fine-tunes of the folds: `val` is of them, each on the images that it didn't learn from.
    folds: tuple[str, ...] = ()
    fold: OptionalKey[int] = None  # that it didn't learn from, from 0
    exact: OptionalKey[int] = None  # of one on all images: its epochs, which the folds' models decided
    start: OptionalKey[str] = None  # id of the trial that it went on from; None from the pretrained weights
    peak_memory_bytes: int | None = None  # on a GPU; None elsewhere
    trainable: Mapping[str, int] = field(default_factory=dict)  # phase -> number of trainable parameters
    notes: tuple[str, ...] = ()  # what a person should know
    curve: tuple[Epoch, ...] = ()  # an entry an epoch
    val: Mapping[str, Estimate] = field(default_factory=dict)  # metric -> value on the validation images
    # Of what can be chosen: how its logits were recalibrated on the validation images before all that follows.
    recalibration: OptionalKey[Recalibration] = None
    undertrained: OptionalKey[Undertrained] = None  # None where it isn't
    heads: tuple[str, ...] = ()  # names of its heads, where it has several
    # `val` -> what it predicts, as `ttl.stats` scores it; of a trial that version 0.2 made also `test`.
    predictions: Mapping[str, StoredRows] = field(default_factory=dict)
    weights_sha256: str = ""  # of the file of its weights
    predictions_sha256: Mapping[str, str] = field(default_factory=dict)  # split -> of its predictions

    @property
    def label(self) -> str:
        """What it is called while it runs."""
        return labelled(self.cut, self.fold, self.exact)

    @property
    def value(self) -> float:
        """The validation score; NaN where the metric is undefined."""
        return self.val[self.score].value if self.score in self.val else nan

    @property
    def reached(self) -> float:
        """The validation score; of a paused fine-tune its best epoch's."""
        return self.value if self.status == "finished" else self.best_until(self.epochs)

    def best_until(self, epochs: int) -> float:
        """The highest validation score of the first so many epochs; NaN if none has one."""
        scores = [epoch.val.get(self.score, nan) for epoch in self.curve[:epochs]]
        return max((score for score in scores if not isnan(score)), default=nan)

    def sealed(self, weights_sha256: str) -> TrialRecord:
        """The same, with the digests of its weights and predictions."""
        digests = {split: digest_of(rows) for split, rows in self.predictions.items()}
        return replace(self, weights_sha256=weights_sha256, predictions_sha256=digests)

    def damaged(self) -> tuple[str, ...]:
        """The splits whose predictions aren't those that were written."""
        written = self.predictions_sha256
        return tuple(
            split for split, rows in self.predictions.items() if written.get(split) not in (None, digest_of(rows))
        )


def digest_of(rows: Rows) -> str:
    """SHA-256 (hex) of predictions: of their shape and their values, all NaN alike."""
    values = np.where(np.isnan(rows), np.nan, rows).astype("<f8")
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
