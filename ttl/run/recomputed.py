"""Do the weights give the predictions that lie beside them? Only then are they what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ttl.data.decoded import Split
from ttl.data.kind import Rows
from ttl.data.modality.normalise import Normalise
from ttl.errors import RunFolderError
from ttl.export.contract import Contract
from ttl.study.record import TrialRecord

SPLITS = ("val", "test")
ROUNDING, SHARE_OF_PIXELS = 1e-4, 1e-3
"""What a probability may differ by, and how many of an image's pixels may be counted otherwise; one always may."""
ROUNDING_ON_GPU, SHARE_OF_PIXELS_ON_GPU = 1e-2, 1e-2
"""PyTorch convolves in TF32 there, with 11 bits."""
COUNTS = 3
"""The first columns of a segmentation's rows: pixels hit, wrongly claimed and missed."""


def checked_predictions(
    model: nn.Module, contract: Contract, splits: Mapping[str, Split], record: TrialRecord, folder: Path
) -> dict[str, Rows]:
    """A trial's predictions of val and test, once its weights gave them again.

    It takes one pass over the images of both splits, on the kind of device that the trial ran on where there is one.

    Args:
        model: of the trial.
        contract: of the model.
        splits: split name -> decoded images.
        record: of the trial.
        folder: of the trial, for the message.

    Raises:
        RunFolderError: they differ by more than rounding.
    """
    on_gpu = record.peak_memory_bytes is not None  # it is measured there alone
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    allowed = (ROUNDING_ON_GPU, SHARE_OF_PIXELS_ON_GPU) if on_gpu else (ROUNDING, SHARE_OF_PIXELS)
    stored = {split: record.predictions[split] for split in SPLITS}
    for split, rows in stored.items():
        difference = _difference(contract, rows, predicted(model, contract, splits[split], device))
        if not difference <= allowed[contract.per_pixel]:
            what = "{:.1%} of an image's pixels" if contract.per_pixel else "a probability by {:.2g}"
            raise RunFolderError(
                f"{folder} holds predictions of the {split} images that its weights don't give (they differ in "
                f"{what.format(difference)}): it is damaged, or the images were changed; remove it and run again"
            )
    return stored


def predicted(model: nn.Module, contract: Contract, images: Split, device: str = "cpu") -> Rows:
    """What a model gives for a split, as `ttl.stats` scores it."""
    normalise = Normalise(contract.mean, contract.std, device)
    rows = contract.kind.predict(model, images, normalise, divisor=contract.divisor)
    model.to("cpu")
    return rows


def _difference(contract: Contract, stored: Rows, again: Rows) -> float:
    """The largest one of a probability, or of the share of an image's pixels that is counted otherwise."""
    if stored.shape != again.shape:
        return np.inf
    if not contract.per_pixel:
        return float(np.abs(stored - again).max(initial=0.0))
    counts = again[..., :COUNTS]
    pixels = (counts[..., 0] + counts[..., 2]).sum(axis=1)  # hit and missed, of all classes: the labelled ones
    apart = np.abs(stored[..., :COUNTS] - counts).max(axis=(1, 2))
    return float((np.where(apart > 1, apart, 0) / np.maximum(pixels, 1)).max(initial=0.0))
