from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from ttl.export.to_file import export_onnx


@pytest.mark.realdata
def test_pretrained_network_on_real_images(realdata: Path, tmp_path: Path) -> None:
    model = torchvision.models.mobilenet_v2(num_classes=2)
    weights = torch.load(realdata / "weights" / "mobilenet_v2.pth", weights_only=True)
    assert model.load_state_dict(weights, strict=False).missing_keys == [
        "classifier.1.weight",
        "classifier.1.bias",
    ]
    paths = sorted((realdata / "xray").rglob("*.jpg"))[:7]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize((112, 112))) for path in paths])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    parity = export_onnx(model, tmp_path / "m.onnx", check_on=(images - 0.45) / 0.225).parity
    assert parity.max_abs < 0.1 * parity.tolerance
