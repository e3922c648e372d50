"""Figures of groups of the test images, the worst first, small ones marked."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toy_runs import content_of, tiny
from ttl.run import run


def manifest(folder: Path, n: int = 240) -> Path:
    """Bright and dark squares from two sites: at one the marks are faint, and a third has five images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for i in range(n):
        label, site = i % 2, "small" if i >= n - 8 else ("clear", "faint")[i // 2 % 2]
        pixels = rng.integers(90, 160, (32, 32))
        if label:
            pixels[8:24, 8:24] += {"clear": 90, "faint": 12, "small": 90}[site]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        rows.append((f"{i}.png", ("no finding", "mark")[label], site))
    with (folder / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "site"), *rows])
    return folder / "images.csv"


def test_every_group_has_its_figures_and_the_worst_comes_first(tmp_path: Path) -> None:
    data = manifest(tmp_path / "data")
    options = {"data": str(data), "subgroup_columns": ("site",), "strategy": "probe", "test_fraction": 0.4, "epochs": 2}
    run(tiny(tmp_path / "run", **options))
    content = content_of(tmp_path / "run")
    groups = content["subgroups"]
    assert [group["value"] for group in groups][-1] == "small"
    assert [group["too_few"] for group in groups] == [False, False, True]
    assert sum(group["units"] for group in groups) == content["task"]["split_images"]["test"]
    scores = [(group.get("chosen") or group["full"])["score"]["value"] for group in groups[:2]]
    assert scores == sorted(scores)
    faint = next(group for group in groups if group["value"] == "faint")
    assert set(faint["full"]["rates"]) == {"sensitivity", "specificity", "balanced_accuracy"}
    lines = list(csv.DictReader((tmp_path / "run" / "subgroups.csv").read_text().splitlines()))
    assert {line["value"] for line in lines} == {"clear", "faint", "small"}
    (row,) = [row for row in lines if (row["value"], row["network"], row["metric"]) == ("faint", "full", "score")]
    assert float(row["figure"]) == pytest.approx(faint["full"]["score"]["value"])
