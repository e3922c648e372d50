from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torchvision
from PIL import Image

from ttl.export.quantize import Verdict, quantize
from ttl.export.quantize.keep import outputs, signal_to_noise_db
from ttl.export.to_file import ExportResult, export_onnx

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def xrays(realdata: Path) -> torch.Tensor:
    """`(20, 3, 112, 112)`, normalised."""
    paths = sorted((realdata / "xray").rglob("*.jpg"))[::50]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize((112, 112))) for path in paths])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.225


@pytest.fixture(scope="module")
def pretrained(realdata: Path, xrays: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    model = torchvision.models.mobilenet_v2(num_classes=2)
    weights = torch.load(realdata / "weights" / "mobilenet_v2.pth", weights_only=True)
    missing = model.load_state_dict(weights, strict=False).missing_keys
    assert missing == ["classifier.1.weight", "classifier.1.bias"]
    return export_onnx(model, tmp_path_factory.mktemp("real") / "m.onnx", check_on=xrays)


def test_pretrained_network_on_real_images(pretrained: ExportResult) -> None:
    assert pretrained.parity.tolerance is not None
    assert pretrained.parity.max_abs < 0.1 * pretrained.parity.tolerance


def test_seven_bits_give_the_same_with_and_without_integer_kernels(
    pretrained: ExportResult, xrays: torch.Tensor
) -> None:
    images = xrays.numpy()
    done = quantize(onnx.load(pretrained.path), images, lambda graph: Verdict(True, "as good"))
    as_written, rewritten = (outputs(done.graph, images, optimize=optimize) for optimize in (False, True))
    assert signal_to_noise_db(as_written, rewritten) > 15
