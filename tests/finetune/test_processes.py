"""Several processes that share each batch end where one process ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from several import together

WORK = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from torch import nn
from toy_networks import TinyResNet
from toy_images import images
from ttl import processes
from ttl.finetune import Settings, fit, from_main, recipe
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate

out, how, norms, accumulate, watched = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), []
torch.manual_seed(0)
backbone = TinyResNet()
if norms == "without":
    for parent in list(backbone.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.GroupNorm(1, child.num_features))

model = truncate(backbone, truncation_points(backbone, image_size=32)["stage2.0"], num_classes=2)
settings = Settings(kind="binary", mean=(0.5,) * 3, std=(0.25,) * 3, epochs=3, batch_size=8, accumulate=accumulate)
result = fit(model, images(21), images(9, seed=1), replace(recipe(how), dropout=0.0), settings)
name = "main" if processes.is_main() else "other"
assert from_main(name) == "main"
assert "forward" not in vars(model)
torch.save(model.state_dict(), out / f"{name}.pt")
(out / f"{name}.json").write_text(json.dumps({"curve": [row.to_json() for row in result.curve], "notes": result.notes}))
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
"""


def launch(folder: Path, count: int, *args: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Train in `count` processes; the weights, which must be the same in all, and what the main one says."""
    folder.mkdir()
    together(count, "-c", WORK, str(folder), *args)
    weights = [torch.load(path) for path in sorted(folder.glob("*.pt"))]
    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())
    return weights[0], json.loads((folder / "main.json").read_text())


@pytest.mark.parametrize(
    ("how", "norms", "accumulate"),
    [("fc-then-bn", "with", "1"), ("full", "without", "1"), ("full", "without", "2")],
    ids=["norms-stand-still", "everything-trains", "in-parts"],
)
def test_two_processes_give_the_result_of_one(how: str, norms: str, accumulate: str, tmp_path: Path) -> None:
    alone, told_alone = launch(tmp_path / "one", 1, how, norms, "1")
    shared, told_shared = launch(tmp_path / "two", 2, how, norms, accumulate)
    for name, value in alone.items():
        torch.testing.assert_close(shared[name], value, rtol=1e-4, atol=1e-6, msg=name)
    for one, two in zip(told_alone["curve"], told_shared["curve"], strict=True):
        for figure in ("train_loss", "val_loss", "val_auroc"):
            assert two[figure] == pytest.approx(one[figure], rel=1e-4), figure
    assert told_shared["notes"] == []


def test_norms_that_train_in_two_processes_are_told_of(tmp_path: Path) -> None:
    _, told = launch(tmp_path / "two", 2, "full", "with", "1")
    assert told["notes"] == ["Batch norms that train saw each batch in 2 parts, each with its own statistics"]


def test_a_verb_started_twice_writes_once_speaks_once_and_finds_the_same(tmp_path: Path) -> None:
    told = ["-m", "ttl", "finetune", "digits:0-1", "--model", "resnet10t", "--weights", "none", "--image-size", "32"]
    told += ["--cut", "layer1.0", "--recipe", "fc-then-bn", "--dropout", "0", "--epochs", "2", "--device", "cpu"]
    (alone,) = together(1, *told, "--json", "--out", str(tmp_path / "one"))
    main, other = together(2, *told, "--json", "--out", str(tmp_path / "two"))
    assert other == ""
    one, two = json.loads(alone), json.loads(main)
    assert [row["train_loss"] for row in two["curve"]] == pytest.approx(
        [row["train_loss"] for row in one["curve"]], rel=1e-4
    )
    assert one["id"] == two["id"]
    names = {path.name for path in (tmp_path / "two" / "trials" / two["id"]).iterdir()}
    assert names == {"trial.json", "model.safetensors", "bundle.json"}
    assert json.loads((tmp_path / "two" / "run.json").read_text())["config"]["recipe"] == "fc-then-bn"
