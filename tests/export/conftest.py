from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import fx

from ttl.export.contract import Contract, Decoding, Provenance
from ttl.export.to_file import ExportResult, export_onnx
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
        kind="binary",
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


@pytest.fixture(scope="session")
def resnet() -> fx.GraphModule:
    """A timm network as truncation makes them: a graph module whose BN layers have seen data."""
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", pretrained=False, num_classes=2)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, SIZE, SIZE))
    return fx.symbolic_trace(model.eval())


@pytest.fixture(scope="session")
def exported(
    resnet: fx.GraphModule, images: torch.Tensor, contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> ExportResult:
    path: Path = tmp_path_factory.mktemp("export") / "model.onnx"
    return export_onnx(resnet, path, check_on=images, contract=contract)
