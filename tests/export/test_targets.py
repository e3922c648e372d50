"""What each row of the targets gives, and that nothing else names them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ttl.errors import ExportError, GateError, UsageError
from ttl.export.targets import TARGETS, program, target_of
from ttl.export.to_file import export_model

IMAGES = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
IR = ["model.openvino.xml", "model.openvino.fp16.xml", "model.openvino.int8.xml"]
EXPORT = Path(__file__).parents[2] / "ttl" / "export"


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.mark.parametrize("name", TARGETS)
def test_a_row_is_the_module_of_its_name(name: str) -> None:
    row = target_of(name)
    assert row.name == name
    assert row.file_name("model", embedded=False) == ".".join(["model", *row.suffixes])
    assert row.is_calibrated == ("int8" in name)


def test_files_of_one_model_have_different_names() -> None:
    names = [target_of(name).file_name("model", embedded=False) for name in TARGETS]
    assert names == ["model.onnx", "model.fp16.onnx", "model.int8.onnx", "model.pt2", *IR]
    embedded = [target_of(name).file_name("model", embedded=True) for name in TARGETS]
    assert embedded == ["model.embedded.onnx", "model.fp16.embedded.onnx", "model.int8.embedded.onnx", "model.pt2", *IR]


def test_what_a_difference_may_be_is_the_rows_to_say() -> None:
    slack = {name: (target_of(name).slack, target_of(name).is_exact) for name in TARGETS}
    plain = {"fp32": (0, True), "fp16": (4, False), "int8": (None, False), "program": (0, True)}
    ir = {"openvino": (0, True), "openvino-fp16": (4, False), "openvino-int8": (None, False)}
    assert slack == plain | ir


def test_an_unknown_one_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="There is no target 'int4': there are fp32, fp16, int8, program"):
        target_of("int4")


def test_no_other_module_lists_them() -> None:
    """A new target is one file and a row."""
    naming = re.compile(r"""["'](fp16|int8|openvino-fp16|openvino-int8)["']""")
    rooms = [path for room in ("export", "deliver") for path in (EXPORT.parent / room).rglob("*.py")]
    found = {path.stem for path in rooms if naming.search(path.read_text("utf-8"))}
    assert found == {"__init__", "fp16", "int8", "openvino"}


def test_the_program_read_back_is_the_model(tmp_path: Path) -> None:
    model = net()
    result = export_model(model, tmp_path / "new" / "m.pt2", check_on=IMAGES, precision="program")
    assert model.training
    assert [path.name for path in result.path.parent.iterdir()] == ["m.pt2"]
    assert (result.size_bytes, result.opset) == (result.path.stat().st_size, None)
    assert result.parity.max_abs <= (result.parity.tolerance or 0.0)
    again = torch.export.load(str(result.path)).module()
    five = torch.randn(5, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(again(five), model.eval()(five))


def test_another_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = torch.export.load

    def shifted(*args: object) -> object:
        loaded = load(*args)
        with torch.no_grad():
            loaded.state_dict["4.bias"].add_(1.0)
        return loaded

    monkeypatch.setattr(program.torch.export, "load", shifted)
    with pytest.raises(GateError, match=r"differs from the model by 1 at batch 1, more than the .* rounding explains"):
        export_model(net(), tmp_path / "m.pt2", check_on=IMAGES, precision="program")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) if x.mean() > 0 else -x.flatten(1)

    with pytest.raises(ExportError, match=r"can't be exported by torch\.export: "):
        export_model(Branches(), tmp_path / "m.pt2", check_on=IMAGES, precision="program")
    assert list(tmp_path.iterdir()) == []


def test_a_program_on_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0")

    monkeypatch.setattr(program.torch.export, "save", full)
    with pytest.raises(ExportError, match=r"m\.pt2 can't be written: .*unexpected pos 64 vs 0; free it"):
        export_model(net(), tmp_path / "m.pt2", check_on=IMAGES, precision="program")
    assert list(tmp_path.iterdir()) == []
