"""What is folded into the last layer is in every file: float32, int8, and with embedded preprocessing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image

from toy_networks import TinyResNet
from ttl.cut.last_layer import fold_in, last_layer
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data.kind import KINDS
from ttl.export.contract import Contract, from_properties, to_properties
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.onnx_graph import translate
from ttl.export.quantize import Verdict, quantize
from ttl.export.run import OnnxModel
from ttl.stats import Recalibration
from ttl.stats.recalibration import probable

N = 24
FLOAT, INT8 = 1e-5, 0.02
"""Of the range of the logits, what rounding in float32 may differ by, and in int8, whose own step is 1/255 of it."""
MADE = {
    "binary": Recalibration("temperature", (1 / 0.37,) * 2, (0.4, -0.9), (0.148, -0.333), 40, 0.6, 0.5, 0.01, 0.69),
    "multilabel": Recalibration("scale and shift", (0.3, 4.0), (-1.2, 0.7), (0.0, 0.0), 40, 0.6, 0.5, 0.01, 0.69),
}


@dataclass
class Pair:
    """Files of one model: as it was, and with a recalibration folded in."""

    plain: onnx.ModelProto
    folded: onnx.ModelProto
    contract: Contract
    made: Recalibration


@pytest.fixture(scope="module", params=list(MADE))
def pair(request: pytest.FixtureRequest, contract: Contract, noise: npt.NDArray[np.uint8]) -> Pair:
    own, made = replace(contract, kind=KINDS[request.param], channels=3), MADE[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = TinyResNet()
        model = truncate(backbone, truncation_points(backbone, image_size=32)["stage2.0"], num_classes=2).eval()
    with torch.no_grad():
        last_layer(model).get_parameter("bias").sub_(model(normalised(noise, own)).mean(0))
    graphs = []
    for name in ("plain", "folded"):
        changed = copy.deepcopy(model)
        if name == "folded":
            fold_in(changed, made.scale, made.shift)
        graph = translate(changed, normalised(noise, own), opset=None, divisor=None)
        onnx.helper.set_model_props(graph, to_properties(replace(own, recalibration=made)))
        graphs.append(graph)
    return Pair(*graphs, own, made)


@pytest.fixture(scope="module")
def noise() -> npt.NDArray[np.uint8]:
    """`(24, 3, 32, 32)`, of different brightness and contrast, so that logits differ."""
    rng = np.random.default_rng(0)
    level, spread = rng.uniform(40, 200, (N, 3, 1, 1)), rng.uniform(5, 120, (N, 1, 1, 1))
    return np.clip(level + spread * rng.standard_normal((N, 3, 32, 32)), 0, 255).astype(np.uint8)


def normalised(pixels: npt.NDArray[np.uint8], own: Contract) -> torch.Tensor:
    mean, std = (torch.tensor(values)[:, None, None] for values in (own.mean, own.std))
    return (torch.from_numpy(pixels).float() / 255 - mean) / std


def logits(graph: onnx.ModelProto, given: torch.Tensor, path: Path) -> npt.NDArray[np.float64]:
    onnx.save(graph, path)
    return OnnxModel(path, threads=1).run(given.numpy()).astype(np.float64)


def furthest(found: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    """The largest difference, as a share of the range of each output."""
    return float((np.abs(found - wanted) / np.ptp(wanted, axis=0)).max())


def test_the_float_file_gives_the_recalibrated_logits(pair: Pair, noise: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    given = normalised(noise, pair.contract)
    before, after = (logits(graph, given, tmp_path / "m.onnx") for graph in (pair.plain, pair.folded))
    assert furthest(after, pair.made.apply(before)) < FLOAT
    assert furthest(after, before) > 0.5  # else there was nothing to fold
    assert len(pair.folded.graph.node) == len(pair.plain.graph.node)


def test_the_int8_file_too(pair: Pair, noise: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    given = normalised(noise, pair.contract)
    before, after = (
        logits(quantize(graph, given.numpy(), lambda _: Verdict(True, "as good")).graph, given, tmp_path / "m.onnx")
        for graph in (pair.plain, pair.folded)
    )
    wanted = pair.made.apply(before)
    assert furthest(after, wanted) < INT8
    if pair.contract.kind == "binary":  # of a pure temperature and a shift no decision that isn't near it changes
        far = np.abs(np.diff(wanted, axis=1)[:, 0]) > 2 * INT8 * np.ptp(wanted)
        assert far.sum() > N / 2
        assert (after.argmax(1) == wanted.argmax(1))[far].all()


def test_the_file_with_embedded_preprocessing_too(pair: Pair, noise: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    images = [Image.fromarray(each.transpose(1, 2, 0)) for each in noise]
    given = normalised(noise, pair.contract)
    wanted = probable(pair.made.apply(logits(pair.plain, given, tmp_path / "m.onnx")), pair.contract.activation)
    path = tmp_path / "embedded.onnx"
    embedded = embed_preprocessing(pair.folded, pair.contract)
    properties = {each.key: each.value for each in pair.folded.metadata_props}
    onnx.helper.set_model_props(
        embedded, to_properties(replace(from_properties(properties, path), embeds_preprocessing=True))
    )
    onnx.save(embedded, path)
    model = OnnxModel(path, threads=1)
    assert np.abs(model.predict_images(images) - wanted).max() < FLOAT
    assert model.contract.recalibration == pair.made


def test_masks_of_a_file_are_recalibrated_too(contract: Contract, tmp_path: Path) -> None:
    own = replace(contract, kind=KINDS["segmentation"], channels=3, divisor=8, free_sides=True)
    made = Recalibration("scale and shift", (3.0,), (-0.8,), (-0.2,), 40, 0.6, 0.5, 0.01, 0.69)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = smp.Unet("tu-test_resnet", encoder_weights=None, classes=1)
        points = truncation_points(whole, image_size=32)
        point = next(point for point in reversed(points) if point.reduction == own.divisor)
        model = truncate(whole, point, num_classes=1).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 48), dtype=np.uint8)
    given = normalised(pixels, own)
    with torch.no_grad():
        before = model(given).double().numpy()
    fold_in(model, made.scale, made.shift)
    graph = translate(model, given, opset=None, divisor=own.divisor)
    onnx.helper.set_model_props(graph, to_properties(own))
    onnx.save(embed_preprocessing(graph, own), tmp_path / "embedded.onnx")
    wanted = before * made.scale[0] + made.shift[0]
    after = logits(graph, given, tmp_path / "plain.onnx")
    assert np.abs(after - wanted).max() < FLOAT * np.abs(wanted).max()
    for name in ("plain.onnx", "embedded.onnx"):
        for found, of in zip(OnnxModel(tmp_path / name, threads=1).maps(pixels, in_windows=False), wanted, strict=True):
            assert np.abs(found[1] - probable(of[0], "sigmoid")).max() < FLOAT
