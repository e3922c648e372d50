from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import fx, nn

from ttl.data.kind import KINDS
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.export.targets import target
from ttl.export.to_file import ExportResult, export_onnx
from ttl.export.translate import translate
from ttl.words.estimate import Estimate

SIZE = 32


@pytest.fixture(scope="session")
def contract() -> Contract:
    provenance = Provenance(
        network="resnet10t",
        weights="none: every tensor starts at random",
        cut="layer4.0",
        index=5,
        params=4_900_000,
        macs=22_000_000,
        ttl_version="0.1.0",
        data_fingerprint="ab" * 32,
    )
    return Contract(
        kind=KINDS["binary"],
        class_names=("normal", "pneumonie é"),
        sides=(SIZE, SIZE),
        channels=1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        decoding=Decoding("bilinear"),
        provenance=provenance,
        metrics={"test": {"auprc": Estimate(0.9, 0.85, 0.94)}},
    )


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """(3, 3, 32, 32) float32: fewer than the largest batch that parity tries."""
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Small(nn.Module):
    """A stem, a residual block, a wider layer and a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.first = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))
        self.wide = nn.Sequential(nn.Conv2d(64, 192, 3, 2, 1), nn.BatchNorm2d(192), nn.ReLU())
        self.fc = nn.Linear(192, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.stem(x), 3, 2, 1)
        x = torch.relu(x + self.second(self.first(x)))
        return self.fc(self.wide(x).mean((2, 3)))


@pytest.fixture(scope="session")
def network() -> fx.GraphModule:
    """A toy as truncation makes them: a graph module whose BN layers have seen data."""
    torch.manual_seed(0)
    model = Small()
    with torch.no_grad():
        model.train()(torch.randn(8, 3, SIZE, SIZE))
    return fx.symbolic_trace(model.eval())


class Drawing(nn.Module):
    """Takes multiples of 8 only; sees 5 x 5 pixels, so that a wrong padding changes what lies at the edge."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, outputs, 5, padding=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n, _, h, w = images.shape
        return self.conv(images.reshape(n, 3, h // 8, 8, w // 8, 8).reshape(n, 3, h, w))


@pytest.fixture(scope="session")
def drawing() -> type[nn.Module]:
    """A toy that draws; it is made with the number of its outputs."""
    return Drawing


@pytest.fixture(scope="session")
def exported(
    network: fx.GraphModule, images: torch.Tensor, contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> ExportResult:
    path: Path = tmp_path_factory.mktemp("export") / "model.onnx"
    return export_onnx(network, path, check_on=images, contract=contract)


@pytest.fixture(scope="session")
def remembering() -> Callable[..., onnx.ModelProto]:
    """What `translate` gives, of one network and one order once in a session."""
    graphs: dict[tuple[Any, ...], bytes] = {}

    def translated(model: nn.Module, images: torch.Tensor, **options: Any) -> onnx.ModelProto:
        weights = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
        key = (repr(model), *weights, images.shape[2:], *sorted(options.items()))
        if key not in graphs:
            graphs[key] = translate(model, images, **options).SerializeToString()
        return onnx.load_from_string(graphs[key])

    return translated


@pytest.fixture
def translated_once(remembering: Callable[..., onnx.ModelProto], monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what comes before PyTorch's exporter, which is slow, and of what comes after it."""
    monkeypatch.setattr(target, "translate", remembering)
