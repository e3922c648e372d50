"""A file shows by itself whether it is what was exported, or damaged."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto
from torch import nn

from ttl.cost.session import open_session
from ttl.errors import ExportError
from ttl.export.contract import Contract, read_contract, to_properties
from ttl.export.digest import check_digests, seal
from ttl.export.run import OnnxModel
from ttl.export.targets import target
from ttl.export.to_file import ExportResult, export_onnx

DAMAGED = r"x\.onnx is damaged( or isn't an ONNX file)?: its bytes aren't those that were exported; export it again\.$"


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 2, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )


@pytest.fixture(scope="module")
def small(
    net: nn.Module,
    contract: Contract,
    remembering: Callable[..., ModelProto],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A file of a few kilobytes, most of which are metadata and structure: where damage is hardest to see."""
    path = tmp_path_factory.mktemp("small") / "x.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "translate", remembering)
        return export_onnx(net, path, check_on=torch.rand(2, 3, 32, 32), contract=contract).path


def without_metadata(content: bytes) -> ModelProto:
    model = onnx.load_from_string(content)
    model.ClearField("metadata_props")
    return model


def test_the_digests_are_what_the_documentation_says(exported: ExportResult) -> None:
    content = exported.path.read_bytes()
    held = {item.key: item.value for item in onnx.load_from_string(content).metadata_props}
    stated = {key: json.loads(held.pop(f"ttl.sha256_{key}")) for key in ("graph", "metadata")}
    pairs = json.dumps(sorted(held.items()), ensure_ascii=False, separators=(",", ":"))
    assert stated["metadata"] == hashlib.sha256(pairs.encode()).hexdigest()
    # What protobuf itself writes of the message without its metadata is the file's other bytes, here in their order.
    rest = without_metadata(content).SerializeToString()
    assert stated["graph"] == hashlib.sha256(rest).hexdigest()
    assert check_digests(exported.path) == held


def test_moved_and_renamed_it_is_still_whole(exported: ExportResult, tmp_path: Path) -> None:
    other = shutil.copy(exported.path, tmp_path / "another name.bin")
    assert read_contract(other) == read_contract(exported.path)
    assert OnnxModel(other, threads=1).predict(np.zeros((1, 1, 32, 32), np.uint8)).shape == (1, 2)


def test_sealing_changes_neither_graph_nor_order(small: Path) -> None:
    content, model = small.read_bytes(), onnx.load(small)
    again = onnx.load_from_string(seal(content, {"ttl.x": '"é"', "ttl.sha256_graph": "of another file"}))
    assert {item.key for item in again.metadata_props} == {"ttl.sha256_graph", "ttl.sha256_metadata", "ttl.x"}
    for each in (model, again):
        each.ClearField("metadata_props")
    assert model == again
    assert seal(seal(content, {"a": "b"}), {"a": "b"}) == seal(content, {"a": "b"})


def test_200_flipped_bytes_are_each_noticed(small: Path, tmp_path: Path) -> None:
    content, path, drawn = small.read_bytes(), tmp_path / "x.onnx", random.Random(0)
    # The beginning, where lengths and keys of the metadata lie, is more dangerous than the weights.
    places = [*range(40), *drawn.sample(range(40, len(content)), 160)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= drawn.randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(ExportError, match=DAMAGED):
            OnnxModel(path, threads=1)


def test_every_bit_of_header_and_digests_counts(small: Path, tmp_path: Path) -> None:
    """Tags, lengths, keys and values of the digests and of one other property: the rest is built like that one."""
    content, path = bytearray(small.read_bytes()), tmp_path / "x.onnx"
    end = content.index(b"ttl.sha256_metadata") + 140
    for place, bit in product(range(end), range(8)):
        content[place] ^= 1 << bit
        path.write_bytes(content)
        content[place] ^= 1 << bit
        with pytest.raises(ExportError, match=DAMAGED):
            check_digests(path)


def test_20_lengths_are_each_noticed(small: Path, tmp_path: Path) -> None:
    content, path = small.read_bytes(), tmp_path / "x.onnx"
    for length in (0, 1, 9, len(content) - 1, *random.Random(1).sample(range(10, len(content) - 1), 16)):
        path.write_bytes(content[:length])
        with pytest.raises(ExportError, match=r"x\.onnx (is damaged|has no ttl metadata)"):
            OnnxModel(path, threads=1)


def test_every_length_at_which_a_field_ends_is_noticed(small: Path, tmp_path: Path) -> None:
    """Cut there, the rest is a sound message; the digests come before what they are of."""
    content, path = small.read_bytes(), tmp_path / "x.onnx"
    graph_at = content.index(without_metadata(content).graph.SerializeToString())
    assert content.index(b"ttl.sha256_graph") < content.index(b"ttl.sha256_metadata") < graph_at
    accepted = []
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            properties = check_digests(path)
        except ExportError:
            continue
        accepted.append(length)
        assert properties == {}
        with pytest.raises(ExportError, match="can't be run as an ONNX model"):  # as of anybody's damaged file
            open_session(path, threads=1)
    assert accepted
    assert max(accepted) < content.index(b"ttl.sha256_graph")


def test_appended_and_changed_metadata_are_noticed(small: Path, contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(ExportError, match=DAMAGED):
        read_contract(path)
    model = onnx.load(small)
    for item in model.metadata_props:
        if item.key == "ttl.class_names":
            item.value = '["pneumonie", "normal"]'
    onnx.save(model, path)
    with pytest.raises(ExportError, match=DAMAGED):
        read_contract(path)


def test_a_file_of_version_0_1_is_opened(small: Path, contract: Contract, tmp_path: Path) -> None:
    path, old = tmp_path / "old.onnx", onnx.load(small)
    new = ("sides", "modality", "outputs", "activation")
    properties = {key: value for key, value in to_properties(contract).items() if key.removeprefix("ttl.") not in new}
    onnx.helper.set_model_props(old, properties)
    onnx.save(old, path)
    assert check_digests(path) == properties
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(
        OnnxModel(path, threads=1).predict(pixels), OnnxModel(small, threads=1).predict(pixels)
    )


@pytest.mark.usefixtures("translated_once")
def test_an_export_without_a_contract_is_sealed_too(net: nn.Module, tmp_path: Path) -> None:
    path = export_onnx(net, tmp_path / "x.onnx", check_on=torch.rand(2, 3, 32, 32)).path
    assert check_digests(path) == {}
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=DAMAGED):
        check_digests(path)
