"""Several processes that share each batch end where one process ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from several import together
from toy_fits import CASES, fitted
from ttl.cli import app
from ttl.typed import to_json


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote of all cases."""
    folder = tmp_path_factory.mktemp("shared")
    together(2, "-m", "toy_fits", str(folder))
    return folder


def notes(shared: Path, name: str) -> Any:
    return json.loads((shared / f"{name} main.json").read_text())["notes"]


@pytest.mark.parametrize("name", [name for name in CASES if name != "norms train"])
def test_two_processes_give_the_result_of_one(name: str, shared: Path) -> None:
    alone, result = fitted(replace(CASES[name], accumulate=1))
    main, other = (torch.load(shared / f"{name} {rank}.pt") for rank in ("main", "other"))
    assert alone.state_dict().keys() == main.keys() == other.keys()
    for key, value in alone.state_dict().items():
        assert torch.equal(main[key], other[key])
        torch.testing.assert_close(main[key], value, rtol=1e-4, atol=1e-6, msg=key)
    curve = json.loads((shared / f"{name} main.json").read_text())["curve"]
    for one, two in zip(map(to_json, result.curve), curve, strict=True):
        for figure in ("train_loss", "val_loss", "val_auroc"):
            assert two[figure] == pytest.approx(one[figure], rel=1e-4), figure
    assert notes(shared, name) == []


def test_norms_that_train_in_two_processes_are_in_the_notes(shared: Path) -> None:
    sentence = "Batch norms that train saw each batch in 2 parts, each with its own statistics"
    assert notes(shared, "norms train") == [sentence]
    main, other = (torch.load(shared / f"norms train {rank}.pt") for rank in ("main", "other"))
    assert all(torch.equal(value, other[name]) for name, value in main.items())


def test_a_verb_started_twice_writes_once_speaks_once_and_finds_the_same(tmp_path: Path) -> None:
    line = ["finetune", "digits:0-1", "--model", "resnet10t", "--weights", "none", "--image-size", "32", "--json"]
    line += ["--cut", "layer1.0", "--recipe", "fc-then-bn", "--dropout", "0", "--epochs", "2", "--device", "cpu"]
    alone = CliRunner().invoke(app, [*line, "--out", str(tmp_path / "one")])
    assert alone.exit_code == 0, alone.output
    main, other = together(2, "-m", "ttl", *line, "--out", str(tmp_path / "two"))
    assert other == ""
    one, two = json.loads(alone.stdout), json.loads(main)
    assert [row["train_loss"] for row in two["curve"]] == pytest.approx(
        [row["train_loss"] for row in one["curve"]], rel=1e-4
    )
    assert one["id"] == two["id"]
    names = {path.name for path in (tmp_path / "two" / "trials" / two["id"]).iterdir()}
    assert names == {"trial.json", "model.safetensors", "bundle.json", "decision.json"}
    assert json.loads((tmp_path / "two" / "run.json").read_text())["config"]["recipe"] == "fc-then-bn"
