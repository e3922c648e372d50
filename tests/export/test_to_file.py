from __future__ import annotations

import copy
import errno
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from torch import fx, nn

from ttl.errors import ExportError, GateError, UsageError
from ttl.export import to_file
from ttl.export.checks import Check, Figures, Judgement
from ttl.export.contract import Contract, read_contract
from ttl.export.onnx_graph import lowest_ir_version
from ttl.export.targets import target
from ttl.export.to_file import ExportResult, export_onnx


class Flat(nn.Module):
    """A linear net small enough to export in a fraction of a second."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.fc = nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


class FixedBatch(Flat):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1)) * torch.ones(2, 2)


class BranchesOnPixels(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :2] if x.mean() > 0 else x.flatten(1)[:, 1:3]


class AlwaysTraining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bn = self.bn
        out = nn.functional.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, training=True)
        return out.mean((2, 3))


class TwoOutputs(Flat):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.flatten(1), self.fc(x.flatten(1))


class Untraceable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("this layer has no such thing")


def small_images(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_graph_has_the_contract_ends(exported: ExportResult) -> None:
    graph = onnx.load(exported.path).graph
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == ["logits"]
    dims = [graph.input[0].type.tensor_type.shape.dim, graph.output[0].type.tensor_type.shape.dim]
    assert [dim[0].dim_param for dim in dims] == ["batch", "batch"]
    assert [dim.dim_value for dim in dims[0]][1:] == [3, 32, 32]


def test_batch_norm_is_folded(exported: ExportResult) -> None:
    kinds = [node.op_type for node in onnx.load(exported.path).graph.node]
    assert kinds.count("Conv") == 4
    assert "BatchNormalization" not in kinds


def test_file_holds_nothing_unused_and_no_paths(exported: ExportResult) -> None:
    model = onnx.load(exported.path)
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used
    assert not model.graph.metadata_props
    assert b"site-packages" not in exported.path.read_bytes()
    assert names(exported.path.parent) == ["model.onnx"]


def test_result_describes_the_file(exported: ExportResult) -> None:
    assert exported.size_bytes == exported.path.stat().st_size
    assert exported.sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    written = onnx.load(exported.path)
    assert exported.opset == written.opset_import[0].version
    assert written.ir_version == lowest_ir_version(written)
    assert exported.parity.batches == (1, 2, 7)
    assert 0 <= exported.parity.max_abs <= exported.parity.tolerance < 1e-3 * exported.parity.scale


def test_metadata_travels_in_the_file(exported: ExportResult, contract: Contract) -> None:
    parity = exported.parity
    found = {"max_abs": parity.max_abs, "tolerance": parity.tolerance, "float64_max_abs": parity.float64_max_abs}
    assert read_contract(exported.path) == replace(contract, parity=found)


def test_runs_at_a_batch_that_was_never_tried(exported: ExportResult, network: fx.GraphModule) -> None:
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    got = ort.InferenceSession(exported.path).run(None, {"image": images.numpy()})[0]
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(got), network(images), rtol=1e-3, atol=1e-5)


def test_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2))
    model[1].eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    export_onnx(model, tmp_path / "m.onnx", check_on=small_images())
    assert [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_another_opset_is_written_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), opset=18).opset == 18
    out, err = capfd.readouterr()
    assert out + err == ""
    assert caplog.messages == []


def test_failure_is_quiet_but_for_the_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The exporter logs tracebacks and prints graphs on its way to the exception."""
    before = logging.root.manager.disable
    with pytest.raises(ExportError, match=r"Could not guard on data-dependent expression"):
        export_onnx(BranchesOnPixels(), tmp_path / "m.onnx", check_on=small_images())
    out, err = capfd.readouterr()
    assert out + err == ""
    assert logging.root.manager.disable == before


def test_opset_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="Opset 99 can't be had for this model: the exporter gives"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), opset=99)
    assert names(tmp_path) == []


@pytest.mark.usefixtures("translated_once")
def test_folder_is_made(tmp_path: Path) -> None:
    assert export_onnx(Flat(), tmp_path / "new" / "m.onnx", check_on=small_images(1)).path.is_file()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (FixedBatch(), "exporter fixed the batch size of 'image' to 2.*works for any"),
        (AlwaysTraining(), "differs from the model"),
        (TwoOutputs(), "where one 'logits' is expected"),
        (Untraceable(), "can't be exported to ONNX: this layer has no such thing"),
    ],
)
def test_unfit_model_is_refused(model: nn.Module, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export_onnx(model, tmp_path / "m.onnx", check_on=small_images())
    assert names(tmp_path) == []


@pytest.mark.usefixtures("translated_once")
def test_file_of_another_model_is_refused_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "m.onnx", Flat().eval()
    export_onnx(other, path, check_on=small_images())
    before = path.read_bytes()
    translate = target.translate
    monkeypatch.setattr(target, "translate", lambda model, images, **options: translate(other, images, **options))
    with pytest.raises(ExportError, match=r"differs from the model by \d.* more than the .* rounding explains"):
        export_onnx(Flat(seed=1), path, check_on=small_images())
    assert path.read_bytes() == before
    assert names(tmp_path) == ["m.onnx"]


@pytest.mark.usefixtures("translated_once")
def test_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(ExportError, match=r"m\.onnx can't be written: No space left on device"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images())
    assert names(tmp_path) == []


@pytest.mark.usefixtures("translated_once")
def test_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(to_file, "check_parity", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images())
    assert names(tmp_path) == []


@pytest.mark.usefixtures("translated_once")
def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExportError, match=r"taken/m\.onnx can't be written"):
        export_onnx(Flat(), tmp_path / "taken" / "m.onnx", check_on=small_images())


@pytest.mark.usefixtures("translated_once")
def test_too_large_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "ONE_FILE_LIMIT_BYTES", 100)
    with pytest.raises(ExportError, match="one ONNX file holds 2 GB"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images())


def test_half_precision_is_smaller_and_keeps_its_ends(
    network: fx.GraphModule, images: torch.Tensor, exported: ExportResult, contract: Contract, tmp_path: Path
) -> None:
    half = export_onnx(network, tmp_path / "h.onnx", check_on=images, contract=contract, precision="fp16")
    assert half.size_bytes < 0.55 * exported.size_bytes
    graph = onnx.load(half.path).graph
    ends = [value.type.tensor_type.elem_type for value in (graph.input[0], graph.output[0])]
    assert ends == [onnx.TensorProto.FLOAT] * 2
    assert {t.data_type for t in graph.initializer if len(t.dims) == 4} == {onnx.TensorProto.FLOAT16}
    assert "BatchNormalization" not in [node.op_type for node in graph.node]
    assert half.parity.max_abs <= half.parity.tolerance
    assert half.parity.rounding > exported.parity.rounding
    assert read_contract(half.path).precision == "fp16"


@pytest.mark.usefixtures("translated_once")
def test_the_judge_sees_the_file_and_may_refuse_it(tmp_path: Path) -> None:
    seen: list[int] = []

    def accept(path: Path) -> Judgement:
        seen.append(len(ort.InferenceSession(path).get_inputs()))
        return Judgement((Check("Metric", "as good"),), Figures(sentence="As good."))

    def refuse(path: Path) -> Judgement:
        raise GateError("It is worse.")

    result = export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), judge=accept)
    assert (seen, result.checks[-1].found, result.judgement.figures.sentence) == ([1], "as good", "As good.")
    before = result.path.read_bytes()
    with pytest.raises(GateError, match="It is worse"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), judge=refuse)
    assert result.path.read_bytes() == before
    assert names(tmp_path) == ["m.onnx"]


@pytest.mark.usefixtures("translated_once")
def test_a_device_that_is_not_here_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    result = export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), devices=["cuda"])
    assert result.checks[-1].name == "On cuda"
    assert result.checks[-1].found.startswith("not checked: CUDA was asked for, and this onnxruntime is built without")


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"int8 needs a calibration\."):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), precision="int8")
    with pytest.raises(UsageError, match="no target 'int4': there are fp32, fp16, int8, program"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), precision="int4")
    with pytest.raises(UsageError, match="needs a contract"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=small_images(), decoded=[Image.new("RGB", (4, 4))])


@pytest.mark.parametrize(
    "images", [torch.zeros(0, 3, 2, 2), torch.zeros(3, 2, 2), torch.zeros(1, 3, 2, 2, dtype=torch.uint8)]
)
def test_images_to_check_on(images: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give at least one normalised image"):
        export_onnx(Flat(), tmp_path / "m.onnx", check_on=images)
