"""Nothing of a model is fitted to the test images: their labels change the figures, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from toy_runs import content_of, tiny
from ttl.export.bundle import WEIGHTS
from ttl.export.contract import read_contract
from ttl.run import run
from ttl.run.deciding import DECISION
from ttl.typed import to_json

FILES = ("model.onnx", "full.onnx")


def table(folder: Path, test_label: Callable[[int], int]) -> Path:
    """Two digits with noise, split by a column; the labels of the test images are what `test_label` makes of them."""
    images, digits = load_digits(n_class=2, return_X_y=True)
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = ["path,label,split"]
    for i, (pixels, digit) in enumerate(zip(images.reshape(-1, 8, 8), digits.tolist(), strict=True)):
        noisy = np.clip(pixels * 15 + rng.normal(0, 90, (8, 8)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "images" / f"{i:03}.png")
        split = ("train", "train", "train", "val", "test")[i % 5]
        rows.append(f"images/{i:03}.png,{test_label(digit) if split == 'test' else digit},{split}")
    path = folder / "set.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Runs with the true labels of the test images, and with all of them flipped: fitting them would turn all round."""
    folder = tmp_path_factory.mktemp("flipped")
    made = []
    for name, test_label in (("true", int), ("flipped", lambda digit: 1 - digit)):
        data = table(folder / name, test_label)
        made.append(
            run(tiny(folder / f"{name}-run", data=str(data), epochs=2, balance="loss", min_point="layer2.0")).folder
        )
    return made[0], made[1]


def by_cut(folder: Path) -> dict[tuple[str, int], Path]:
    """Candidate and seed -> the folder of its fine-tune."""
    trials = [json.loads(path.read_text()) | {"folder": path.parent} for path in folder.glob("trials/*/trial.json")]
    return {(trial["cut"], trial["seed"]): trial["folder"] for trial in trials}


def test_the_test_labels_change_the_test_figures(runs: tuple[Path, Path]) -> None:
    true, flipped = (content_of(folder)["chosen"]["test"]["auroc"]["value"] for folder in runs)
    assert true > 0.8
    assert flipped == pytest.approx(1 - true, abs=1e-9)


def test_recalibrations_weights_and_thresholds_are_the_same_bit_for_bit(runs: tuple[Path, Path]) -> None:
    true, flipped = map(by_cut, runs)
    assert true.keys() == flipped.keys()
    decided = 0
    for key, folder in true.items():
        other = flipped[key]
        own, its = content_of(folder, "trial.json"), content_of(other, "trial.json")
        for name in ("recalibration", "predictions", "val", "best_epoch"):
            assert own[name] == its[name], name
        assert (folder / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()
        assert (folder / DECISION).is_file() == (other / DECISION).is_file()
        if (folder / DECISION).is_file():
            decided += 1
            assert (folder / DECISION).read_bytes() == (other / DECISION).read_bytes()
    assert decided == 2  # the chosen and the whole network


def test_the_same_point_is_chosen_and_its_files_are_the_same(runs: tuple[Path, Path]) -> None:
    reports = [content_of(folder) for folder in runs]
    assert reports[0]["chosen"]["cut"] == reports[1]["chosen"]["cut"]
    for name in FILES:
        own, its = (onnx.load(folder / name).graph.SerializeToString(deterministic=True) for folder in runs)
        assert own == its
        contracts = [read_contract(folder / name) for folder in runs]
        assert contracts[0].decision is not None
        assert contracts[0].recalibration is not None
        for part in ("decision", "recalibration"):
            assert to_json(getattr(contracts[0], part)) == to_json(getattr(contracts[1], part))
