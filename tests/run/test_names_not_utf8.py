"""Names of files and classes whose bytes aren't UTF-8, from the plan to the report and to predictions."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from toy_runs import content_of, squares, tiny, tiny_unet
from ttl.cli import app
from ttl.config import RunConfig
from ttl.data import load_task
from ttl.data.whole_set import Classes, load_whole
from ttl.errors import DataError, UsageError
from ttl.options.read_options import python_options
from ttl.run import plan, run

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have names in UTF-8 only")

SICK = os.fsdecode(b"kr\xe4nk")


def folder(root: Path, n: int = 12) -> Path:
    """Two classes: one of them, and three images of each, have Latin-1 in their names; a copy is in two splits."""
    rng = np.random.default_rng(0)
    for split, count in (("train", n), ("val", 4), ("test", 4)):
        for level, label in enumerate(("healthy", SICK)):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = (rng.integers(0, 60, (24, 24)) + 120 * level).astype(np.uint8)
                name = os.fsdecode(b"\xe4%d.png" % i) if i < 3 else f"{i}.png"
                Image.fromarray(pixels).save(root / split / label / name)
    copied = (root / "train" / SICK / "4.png").read_bytes()
    (root / "test" / SICK / os.fsdecode(b"\xfc.png")).write_bytes(copied)
    return root


def test_a_whole_run_and_what_is_read_of_it_again(tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    planned = plan(tiny(tmp_path / "out", data=str(data)))
    assert planned.task.class_names == ("healthy", "kr\\xe4nk")
    assert any("test/kr\\xe4nk/\\xfc.png" in note for note in planned.notes)

    done = run(tiny(tmp_path / "out", data=str(data), strategy="exhaustive", min_point="layer4.0"))
    report = content_of(done.folder)
    assert report["task"]["class_names"] == ["healthy", "kr\\xe4nk"]
    assert report["task"]["duplicates"]["first"][0]["b"] == "test/kr\\xe4nk/\\xfc.png"
    page = (done.folder / "report.html").read_text(encoding="utf-8")  # which lone surrogates would not let through
    assert "test/kr\\xe4nk/\\xfc.png" in page
    splits = (done.folder / "splits.csv").read_text(encoding="utf-8")
    assert "train/healthy/\\xe40.png,train,healthy" in splits.splitlines()
    assert load_task(data, splits=done.folder / "splits.csv").train.ids == load_task(data).train.ids

    said = CliRunner().invoke(app, ["predict", str(done.folder / "model.onnx"), str(data / "test" / SICK), "--json"])
    assert said.exit_code == 0, said.output
    names = [Path(row["image"]).name for row in json.loads(said.stdout)]
    assert sorted(names) == ["3.png", "\\xe40.png", "\\xe41.png", "\\xe42.png", "\\xfc.png"]


def test_masks(tmp_path: Path) -> None:
    data = squares(tmp_path / "data")
    for kind in ("images", "masks"):
        os.rename(data / kind / "03.png", data / kind / os.fsdecode(b"\xe9.png"))
    planned = plan(tiny_unet(data, tmp_path / "out"))
    assert planned.task.images == 15
    task = load_task(data)
    assert sum(sample == "images/\\xe9.png" for samples in task.splits.values() for sample in samples.ids) == 1


def test_names_that_become_one_are_refused(tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(data / "train" / "healthy" / "\\xe40.png")
    with pytest.raises(DataError, match=r"can't be told apart .*\(train/healthy/\\xe40\.png\): rename them"):
        load_task(data)


def test_labels_of_a_model_are_found_by_the_names_as_text(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", n=5)
    kind = load_task(data).kind
    task = load_whole(data, Classes(kind, ("kr\\xe4nk", "healthy")))
    assert [int("healthy" in sample) for sample in task.test.ids] == task.test.labels.tolist()


@pytest.mark.parametrize("name", ["data", "out", "weights", "splits", "image_root"])
def test_options_with_such_a_name_are_refused_at_once(name: str) -> None:
    given = {"data": "x", "model": "resnet18", name: os.fsdecode(b"d\xe4ta")}
    with pytest.raises(UsageError, match=f"{name} is .*, and should be a name in UTF-8: rename the file or folder"):
        python_options(RunConfig, given)
