"""A file that takes decoded images sees them as training did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import PIL
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from ttl.data.kind import KINDS
from ttl.data.modality.image import channels_first, open_image
from ttl.data.modality.resizing import Fit, Resizing
from ttl.errors import ExportError
from ttl.export.contract import Contract, Decoding, from_properties, to_properties
from ttl.export.embed import preprocessing
from ttl.export.embed.preprocessing import PIXELS, check_preprocessing, embed_preprocessing, pixels_of
from ttl.export.run import OnnxModel
from ttl.export.to_file import ExportResult

SIZE = 32
SHAPES = [(1, 1), (1, 500), (500, 1), (90, 40), (40, 90), (33, 31), (31, 33), (7, 5), (320, 317), (32, 32), (64, 32)]
Files = Callable[..., tuple[OnnxModel, OnnxModel]]


def image_of(height: int, width: int, mode: str, *, seed: int = 0) -> Image.Image:
    """Noise of black and white: where a bicubic filter overshoots most."""
    shape = (height, width) if mode == "L" else (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8) * np.uint8(255))


IMAGES = [image_of(*shape, mode, seed=seed) for seed, shape in enumerate(SHAPES) for mode in ("L", "RGB")]


def fed(image: Image.Image) -> np.ndarray:
    """(1, h, w, 1 or 3) uint8, as a program without ttl would do it."""
    pixels = np.asarray(image)
    return pixels[None, ..., None] if image.mode == "L" else pixels[None]


def session_of(graph: onnx.ModelProto) -> ort.InferenceSession:
    onnx.checker.check_model(graph, full_check=True)
    return ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def files(exported: ExportResult, contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The file with embedded preprocessing and the plain one, of the same network."""

    def make(*, interpolation: str = "bilinear", fit: Fit = "squash", **changes: object) -> tuple[OnnxModel, OnnxModel]:
        folder = tmp_path_factory.mktemp("embedded")
        own = replace(contract, decoding=Decoding(interpolation, fit=fit), **changes)
        plain = onnx.load(exported.path)
        helper.set_model_props(plain, to_properties(own))
        onnx.save(plain, folder / "plain.onnx")
        onnx.save(embed_preprocessing(plain, own), folder / "embedded.onnx")
        return OnnxModel(folder / "embedded.onnx", threads=1), OnnxModel(folder / "plain.onnx", threads=1)

    return make


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("interpolation", "levels"), [("bilinear", 1), ("bicubic", 2)])
def test_pixels_are_pillows_but_for_rounding(files: Files, channels: int, interpolation: str, levels: int) -> None:
    embedded, _ = files(channels=channels, interpolation=interpolation)
    session = session_of(pixels_of(onnx.load(embedded.path)))
    wrong = 0.0
    for image in IMAGES:
        wanted = Resizing((SIZE, SIZE), interpolation).pixels(image, channels).astype(int)
        (got,) = session.run(None, {"image": fed(image)})[0]
        differences = np.abs(got - wanted)
        assert differences.max() <= levels, image
        wrong += float((differences > 0).mean()) / len(IMAGES)
    assert wrong < 0.02


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_middle_and_the_whole_with_black_beside_it(
    files: Files, channels: int, fit: Fit, interpolation: str
) -> None:
    """Of proportions from 1 : 9 to 9 : 1 and odd sides, where a pixel more or less would be another picture."""
    embedded, plain = files(channels=channels, interpolation=interpolation, fit=fit)
    session = session_of(pixels_of(onnx.load(embedded.path)))
    images = [image_of(h, w, "RGB") for h, w in ((9, 80), (80, 9), (33, 34), (41, 64), (65, 23), (SIZE, SIZE), (5, 6))]
    for image in images:
        wanted = Resizing((SIZE, SIZE), interpolation, fit).pixels(image, channels).astype(int)
        (got,) = session.run(None, {"image": fed(image)})[0]
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 2, image.size
    assert check_preprocessing(embedded, plain, images)[0] <= 2


def test_an_older_pillow_resizes_horizontally_first(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL, "__version__", "12.3.0")
    embedded, _ = files(interpolation="bicubic")
    image = image_of(90, 40, "L")
    narrowed = image.resize((SIZE, 90), Image.Resampling.BICUBIC)
    wanted = np.asarray(narrowed.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(int)
    (got,) = session_of(pixels_of(onnx.load(embedded.path))).run(None, {"image": fed(image)})[0]
    assert np.abs(got[0] - wanted).max() <= 2
    assert np.abs(got[0] - np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))).max() > 2


def test_grey_is_pillows_exactly(files: Files) -> None:
    """At the network's own size, where nothing is resized."""
    embedded, _ = files(channels=1)
    colours = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    colours[0, :3] = np.eye(3) * 255
    image = Image.fromarray(colours)
    (got,) = session_of(pixels_of(onnx.load(embedded.path))).run(None, {"image": fed(image)})[0]
    np.testing.assert_array_equal(got[0], np.asarray(image.convert("L")))


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_probabilities_are_the_training_pipelines(files: Files, kind: str, interpolation: str) -> None:
    embedded, plain = files(kind=KINDS[kind], interpolation=interpolation, channels=3)
    levels, difference = check_preprocessing(embedded, plain, IMAGES)
    assert levels <= 2
    wanted = plain.predict_images(IMAGES)
    np.testing.assert_allclose(embedded.predict_images(IMAGES), wanted, atol=difference)
    assert np.ptp(wanted[:, 0]) > 10 * difference  # it could have been otherwise


def test_exact_pixels_give_the_same_probabilities_to_rounding(files: Files) -> None:
    embedded, plain = files(channels=3)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, SIZE, SIZE), dtype=np.uint8)
    np.testing.assert_allclose(embedded.predict(pixels, batch_size=2), plain.predict(pixels), atol=1e-6)
    images = [Image.fromarray(one.transpose(1, 2, 0)) for one in pixels]
    np.testing.assert_allclose(embedded.predict_images(images), plain.predict(pixels), atol=1e-6)
    assert embedded.predict(pixels[:0]).shape == embedded.predict_images([]).shape == (0, 2)


def test_the_file_says_what_it_is_and_keeps_what_it_was(files: Files, exported: ExportResult) -> None:
    embedded, plain = files()
    graph, before = onnx.load(embedded.path), onnx.load(plain.path)
    (image,), (probabilities,) = graph.graph.input, graph.graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("image", TensorProto.UINT8)
    assert [dim.dim_param for dim in image.type.tensor_type.shape.dim] == ["batch", "height", "width", "channels"]
    dims = probabilities.type.tensor_type.shape.dim
    assert (probabilities.name, dims[0].dim_param, dims[1].dim_value) == ("probabilities", "batch", 2)
    assert graph.ir_version == before.ir_version
    assert {item.domain: item.version for item in graph.opset_import}[""] == exported.opset
    properties = {item.key: item.value for item in graph.metadata_props}
    assert from_properties(properties, embedded.path) == replace(plain.contract, embeds_preprocessing=True)
    used = {name for node in graph.graph.node for name in node.input}
    assert {tensor.name for tensor in graph.graph.initializer} <= used
    outputs = [name for node in graph.graph.node for name in node.output]
    assert len(set(outputs)) == len(outputs)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("given", [2, 4])
def test_the_file_refuses_other_channels(files: Files, channels: int, given: int) -> None:
    embedded, _ = files(channels=channels)
    with pytest.raises(Exception, match=r"preprocessing/(Expand|Sub)"):
        embedded.run(np.zeros((1, 9, 9, given), np.uint8))


def test_another_filter_is_found(files: Files) -> None:
    embedded, plain = files(interpolation="bicubic")
    embedded.contract = replace(embedded.contract, decoding=Decoding("bilinear"))
    with pytest.raises(ExportError, match=r"differs from training's by \d+ of 255 grey levels"):
        check_preprocessing(embedded, plain, IMAGES[6:8])
    with pytest.raises(ExportError, match="There is no image to check"):
        check_preprocessing(embedded, plain, [])


def test_another_mean_is_found(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded, _ = files()
    _, plain = files(mean=(9.0, 9.0, 9.0))
    with pytest.raises(ExportError, match=r"by 0 of 255 grey levels and the probabilities by"):
        check_preprocessing(embedded, plain, [image_of(SIZE, SIZE, "L")])
    monkeypatch.setattr(preprocessing, "PROBABILITY_TOLERANCE", 1.0)
    assert check_preprocessing(embedded, plain, [image_of(SIZE, SIZE, "L")])[1] > 0.05


@pytest.mark.parametrize("interpolation", ["nearest", "lanczos"])
def test_filters_that_onnx_has_not(exported: ExportResult, contract: Contract, interpolation: str) -> None:
    with pytest.raises(ExportError, match=rf"resizes by '{interpolation}' can't be embedded.*bilinear or bicubic"):
        embed_preprocessing(onnx.load(exported.path), replace(contract, decoding=Decoding(interpolation)))


def test_graphs_that_it_cannot_be_embedded_into(files: Files, contract: Contract, exported: ExportResult) -> None:
    embedded, _ = files()
    with pytest.raises(ExportError, match="only into a graph from 'image' to 'logits'"):
        embed_preprocessing(onnx.load(embedded.path), contract)
    old = onnx.load(exported.path)
    old.opset_import[0].version = 17
    with pytest.raises(ExportError, match=r"can't be embedded at opset 17.*opset 18 or newer"):
        embed_preprocessing(old, contract)


def test_names_inside_branches_are_kept_apart(contract: Contract) -> None:
    """A network that calls its own tensors as the preprocessing's, also in a branch."""
    branch = helper.make_graph([helper.make_node("Flatten", [PIXELS], ["height"])], "branch", [], [
        helper.make_tensor_value_info("height", TensorProto.FLOAT, None)])  # fmt: skip
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], [PIXELS]),
        helper.make_node("If", ["probabilities"], ["flat"], then_branch=branch, else_branch=branch),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(True), "probabilities"),
        numpy_helper.from_array(np.array([[1, 0], [0, 1], [0, 0]], np.float32), "weight"),
    ]
    ends = [("image", ["batch", 3, SIZE, SIZE]), ("logits", ["batch", 2])]
    image, logits = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_model(
        helper.make_graph(nodes, "by hand", [image], [logits], constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    plain = replace(contract, channels=3, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    red = np.zeros((1, 40, 50, 3), np.uint8)
    red[..., 0] = 255
    (got,) = session_of(embed_preprocessing(graph, plain)).run(None, {"image": red})[0]
    np.testing.assert_allclose(got, np.exp([1, 0]) / np.exp([1, 0]).sum(), rtol=1e-6)


@pytest.fixture(scope="module", params=[1, 3])
def drawn(
    request: pytest.FixtureRequest,
    drawing: type[nn.Module],
    contract: Contract,
    remembering: Callable[..., onnx.ModelProto],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[OnnxModel, OnnxModel]:
    """Files of a network with so many outputs: with embedded preprocessing, and plain."""
    folder = tmp_path_factory.mktemp("drawing")
    names = ("background", "one", "two")[: max(2, request.param)]
    own = replace(
        contract, kind=KINDS["segmentation"], class_names=names, sides=(24, 40), divisor=8, free_sides=True, channels=1
    )
    plain = remembering(drawing(request.param).eval(), torch.randn(2, 3, *own.sides), opset=None, divisor=8)
    helper.set_model_props(plain, to_properties(own))
    onnx.save(plain, folder / "plain.onnx")
    onnx.save(embed_preprocessing(plain, own), folder / "embedded.onnx")
    return OnnxModel(folder / "embedded.onnx", threads=1), OnnxModel(folder / "plain.onnx", threads=1)


@pytest.mark.parametrize("shape", [(16, 24), (13, 19), (3, 3), (1, 1), (1, 50), (4, 5), (61, 35)])
def test_a_segmentation_is_padded_and_cropped(drawn: tuple[OnnxModel, OnnxModel], shape: tuple[int, int]) -> None:
    embedded, plain = drawn
    image = image_of(*shape, "RGB")
    assert check_preprocessing(embedded, plain, [image, image.convert("L")])[1] < 1e-6
    (wanted,) = plain.maps([channels_first(image, 1)], in_windows=False)
    (got,) = embedded.maps([channels_first(image, 3)])
    assert got.shape == wanted.shape == (len(plain.contract.class_names), *shape)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    np.testing.assert_allclose(got.sum(axis=0), 1, rtol=1e-6)


def test_a_segmentation_of_fixed_sides(exported: ExportResult, contract: Contract) -> None:
    with pytest.raises(ExportError, match="takes only 32 x 32 pixels, so that larger images need windows"):
        embed_preprocessing(onnx.load(exported.path), replace(contract, kind=KINDS["segmentation"]))


@pytest.mark.realdata
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_on_real_images(files: Files, realdata: Path, interpolation: str) -> None:
    embedded, plain = files(interpolation=interpolation)
    images = [open_image(path) for path in sorted((realdata / "xray").rglob("*.jpg"))[::25]]
    levels, difference = check_preprocessing(embedded, plain, images)
    assert (len(images), levels <= 1, difference < 1e-3) == (40, True, True)
