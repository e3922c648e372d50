from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ttl.errors import ExportError, GateError
from ttl.export import program
from ttl.export.program import export_program

IMAGES = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


def test_the_program_read_back_is_the_model(tmp_path: Path) -> None:
    model = net()
    result = export_program(model, tmp_path / "new" / "m.pt2", check_on=IMAGES)
    assert model.training
    assert [path.name for path in result.path.parent.iterdir()] == ["m.pt2"]
    assert result.size_bytes == result.path.stat().st_size
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
    with pytest.raises(GateError, match=r"differs from the model by 1, more than the .* of rounding"):
        export_program(net(), tmp_path / "m.pt2", check_on=IMAGES)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) if x.mean() > 0 else -x.flatten(1)

    with pytest.raises(ExportError, match=r"can't be exported by torch\.export: "):
        export_program(Branches(), tmp_path / "m.pt2", check_on=IMAGES)
    assert list(tmp_path.iterdir()) == []
