"""An epoch in files: a flat row, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest

from ttl.errors import RunFolderError
from ttl.finetune import Epoch
from ttl.typed import from_json, to_json

ONE = Epoch(2, "head+bn", 1e-3, 0.5, 0.25, {"auprc": 0.75, "auroc": 0.875}, {}, images_per_second=100.0, seconds=1.5)
ROW = {
    "epoch": 2,
    "phase": "head+bn",
    "lr": 1e-3,
    "train_loss": 0.5,
    "val_loss": 0.25,
    "val_auprc": 0.75,
    "val_auroc": 0.875,
    "images_per_second": 100.0,
    "seconds": 1.5,
}
MANY = replace(ONE, of_heads={"auprc": (0.5, 1.0)})


def test_a_row_is_flat_and_in_this_order() -> None:
    assert list(to_json(ONE).items()) == list(ROW.items())
    assert to_json(MANY) == ROW | {"val_auprc_of_heads": [0.5, 1.0]}


@pytest.mark.parametrize("epoch", [ONE, MANY, replace(ONE, val={})])
def test_a_row_is_read_back_as_it_was(epoch: Epoch) -> None:
    assert from_json(Epoch, json.loads(json.dumps(to_json(epoch))), where="trial.json") == epoch


def test_what_is_undefined_is_null_and_comes_back() -> None:
    undefined = replace(ONE, val={"auprc": nan}, of_heads={"auprc": (nan, 1.0)})
    row = to_json(undefined)
    assert (row["val_auprc"], row["val_auprc_of_heads"]) == (None, [None, 1.0])
    back = from_json(Epoch, json.loads(json.dumps(row, allow_nan=False)), where="trial.json")
    assert isnan(back.val["auprc"])
    assert [isnan(value) for value in back.of_heads["auprc"]] == [True, False]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({**ROW, "epoch": "2"}, r"^trial\.json can't be trusted: the field epoch: "),
        ({**ROW, "val_auprc": "high"}, r"the field val\.auprc: "),
        ({**ROW, "val_auprc_of_heads": 0.5}, r"the field of_heads\.auprc: "),
        ({name: value for name, value in ROW.items() if name != "lr"}, "the field lr is missing"),
        (3, r"^trial\.json can't be trusted: its content: "),
    ],
)
def test_what_is_no_epoch_is_named(row: Any, sentence: str) -> None:
    with pytest.raises(RunFolderError, match=sentence):
        from_json(Epoch, row, where="trial.json")


def test_keys_of_another_version_are_left_alone() -> None:
    assert from_json(Epoch, {**ROW, "grad_norm": 3.0}, where="trial.json") == ONE
