"""IR files: what OpenVINO computes is compared with PyTorch, and both of its files are known by their digests."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import fx
from typer.testing import CliRunner

from ttl.cli import app
from ttl.cost import openvino_session
from ttl.cost.openvino_session import weights_of
from ttl.errors import ExportError, GateError
from ttl.export.checks import Judgement
from ttl.export.contract import Contract, from_properties
from ttl.export.file_check import check_exported
from ttl.export.quantize import Verdict
from ttl.export.run import OnnxModel, open_model, properties_of
from ttl.export.targets import openvino as target
from ttl.export.targets.target import Calibration
from ttl.export.to_file import ExportResult, export_model

openvino = pytest.importorskip("openvino", reason="OpenVINO isn't installed")
pytestmark = pytest.mark.consumers

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def made(
    network: fx.GraphModule, images: torch.Tensor, contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ExportResult]:
    folder = tmp_path_factory.mktemp("ir")
    calibration = Calibration(images, lambda graph: Verdict(True, "as good"))
    return {
        name: export_model(
            network,
            folder / f"{name}.xml",
            check_on=images,
            contract=contract,
            precision=name,
            calibration=calibration if "int8" in name else None,
        )
        for name in target.TARGETS
    }


@pytest.fixture
def ir(made: dict[str, ExportResult], tmp_path: Path) -> Path:
    """A copy, for tests that damage it."""
    path = made["openvino"].path
    shutil.copy(weights_of(path), tmp_path / "x.bin")
    return shutil.copy(path, tmp_path / "x.xml")


def test_there_are_two_files_of_each_and_nothing_else(made: dict[str, ExportResult]) -> None:
    folder = made["openvino"].path.parent
    assert {path.name for path in folder.iterdir()} == {f"{name}.{end}" for name in made for end in ("xml", "bin")}
    sizes = {name: weights_of(result.path).stat().st_size for name, result in made.items()}
    assert sizes["openvino-fp16"] < 0.55 * sizes["openvino"]
    assert sizes["openvino-int8"] < 0.4 * sizes["openvino"]
    for name, result in made.items():
        assert result.size_bytes == result.path.stat().st_size + sizes[name]


@pytest.mark.parametrize(("name", "allowed"), [("openvino", 1e-5), ("openvino-fp16", 2e-3), ("openvino-int8", 0.05)])
def test_they_give_what_the_onnx_file_gives(
    made: dict[str, ExportResult], exported: ExportResult, name: str, allowed: float
) -> None:
    wanted, got = OnnxModel(exported.path, threads=1).predict(PIXELS), open_model(made[name].path, 1).predict(PIXELS)
    assert np.abs(wanted - got).max() < allowed
    assert np.ptp(got) > 0
    parity = made[name].parity
    assert parity.batches == (1, 2, 7)
    assert parity.tolerance is None or parity.max_abs <= parity.tolerance
    assert [step.state for step in check_exported(made[name].path)] == ["right", "right", "right"]


def test_it_says_what_it_is_to_openvino_itself(made: dict[str, ExportResult], contract: Contract) -> None:
    result = made["openvino"]
    model = openvino.Core().read_model(result.path)
    assert json.loads(model.get_rt_info(["ttl", "class_names"]).astype(str)) == list(contract.class_names)
    own = from_properties(properties_of(result.path), result.path)
    assert own == replace(contract, precision="openvino", parity=own.parity)
    assert own.parity["max_abs"] == result.parity.max_abs


def test_a_file_that_computes_something_else_is_not_kept(
    network: fx.GraphModule, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of = target._run_of
    monkeypatch.setattr(target, "_run_of", lambda compiled: lambda images: run_of(compiled)(images) + np.float32(0.1))
    with pytest.raises(GateError, match=r"differs from the model by 0\.1 at batch 1, more than"):
        export_model(network, tmp_path / "x.xml", check_on=images, precision="openvino")
    assert list(tmp_path.iterdir()) == []


def test_it_is_judged_and_a_refused_one_leaves_the_earlier_one(
    network: fx.GraphModule, images: torch.Tensor, contract: Contract, ir: Path
) -> None:
    before = {path.name: path.read_bytes() for path in ir.parent.iterdir()}

    def judge(path: Path) -> Judgement:
        assert open_model(path).predict(PIXELS).shape == (5, 2)
        raise GateError("no")

    with pytest.raises(GateError, match="no"):
        export_model(network, ir, check_on=images, contract=contract, precision="openvino-fp16", judge=judge)
    assert {path.name: path.read_bytes() for path in ir.parent.iterdir()} == before


def test_damage_in_either_file_is_noticed(ir: Path) -> None:
    drawn = random.Random(0)
    for path in (ir, ir.with_suffix(".bin")):
        content = path.read_bytes()
        for _ in range(20):
            at = drawn.randrange(len(content))
            path.write_bytes(bytes([*content[:at], content[at] ^ (1 << drawn.randrange(7)), *content[at + 1 :]]))
            with pytest.raises(ExportError, match=r"x\.(xml|bin) is damaged or isn't an IR that ttl wrote"):
                open_model(ir)
            path.write_bytes(content[:at])
            with pytest.raises(ExportError, match=r"x\.(xml|bin) is damaged or isn't an IR that ttl wrote"):
                open_model(ir)
        path.write_bytes(content)
    assert open_model(ir)
    ir.with_suffix(".bin").unlink()
    with pytest.raises(ExportError, match=r"x\.bin doesn't exist or isn't a file"):
        open_model(ir)


def test_metadata_of_another_graph_are_refused(ir: Path) -> None:
    row = target.TARGETS["openvino"]
    row.seal(ir, properties_of(ir) | {"ttl.sides": "[33, 33]", "ttl.image_size": "33"})
    with pytest.raises(ExportError, match=r"its graph takes 'image' \(float\) of shape \(any, 3, 32, 32\), and its"):
        open_model(ir)


def test_verbs_take_it(ir: Path) -> None:
    Image.fromarray(PIXELS[0, 0]).save(ir.parent / "scan.png")
    done = CliRunner().invoke(app, ["predict", str(ir), str(ir.parent / "scan.png"), "--json"])
    (row,) = json.loads(done.stdout)
    wanted = open_model(ir).predict(PIXELS[:1])[0]
    assert list(row["probabilities"].values()) == pytest.approx(wanted.tolist(), abs=1e-6)
    assert CliRunner().invoke(app, ["check", str(ir)]).exit_code == 0


def test_without_openvino_it_is_one_sentence(
    network: fx.GraphModule, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_session, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"^OpenVINO isn't installed: pip install 'ttl\[openvino\]'\.$"):
        export_model(network, tmp_path / "x.xml", check_on=images, precision="openvino")
    assert list(tmp_path.iterdir()) == []
