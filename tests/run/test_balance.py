"""A rare class that was evened out in training has its true share in the probabilities again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from toy_runs import tiny
from ttl.data.decoded import Images
from ttl.data.modality.normalise import Normalise
from ttl.export.bundle import load_bundle
from ttl.run import finetune
from ttl.stats.recalibration import probable

RARE, SIDE = 0.1, 32


def drawn(n: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Noise; one image in ten is of class 1 and brighter, by no more than images of one class differ."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 10 == 0).astype(np.int64)
    level = rng.normal(110 + 25 * labels, 25)[:, None, None]
    return np.clip(rng.normal(level, 10, (n, SIDE, SIDE)), 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def nine_to_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rare") / "rare.npz"
    arrays = {}
    for seed, (split, n) in enumerate({"train": 1200, "val": 400, "test": 100}.items()):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = drawn(n, seed)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("balance", ["loss", "sampler"])
def test_the_mean_probability_of_the_rare_class_is_its_share(nine_to_one: Path, tmp_path: Path, balance: str) -> None:
    tuned = finetune(
        tiny(tmp_path, data=str(nine_to_one), balance=balance, epochs=2, batch_size=32, image_size=SIDE), "layer1.0"
    )
    made = tuned.record.recalibration
    assert made is not None
    assert made.prior_shift[0] - made.prior_shift[1] == pytest.approx(np.log(9))
    model, bundle = load_bundle(tuned.folder)
    pixels, labels = drawn(2000, seed=9)
    normalise = Normalise(bundle.contract.mean, bundle.contract.std, "cpu")
    logits = bundle.contract.kind.logits(model, Images(torch.from_numpy(pixels)[:, None], labels), normalise).values
    given = probable(logits, "softmax")[:, 1]
    unshifted = probable(logits - np.array(made.scale) * np.array(made.prior_shift), "softmax")[:, 1]
    assert given.mean() == pytest.approx(RARE, abs=0.035)
    assert unshifted.mean() > 3 * RARE
    assert given[labels == 1].mean() > 1.5 * given[labels == 0].mean()  # it has learned something
