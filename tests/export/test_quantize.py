from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from ttl.errors import ExportError, UsageError
from ttl.export.onnx_graph import lowest_ir_version, translate
from ttl.export.quantize import Verdict, keep, qdq, quantize
from ttl.export.quantize.keep import outputs, signal_to_noise_db
from ttl.export.quantize.qdq import units
from ttl.export.to_file import ExportResult

Array = npt.NDArray[np.float32]
YES, NO = Verdict(True, "as good"), Verdict(False, "AUPRC 0.80, fp32 0.90")


def accept_all(graph: onnx.ModelProto) -> Verdict:
    return YES


def by_hand(nodes: list[NodeProto], weights: dict[str, Any], channels: int = 2) -> onnx.ModelProto:
    """`(batch, channels, 4, 4)` in; rank 4 out, too."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, 4, 4])
        for name in ("image", "logits")
    ]
    constants = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "by hand", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def pointwise(matrix: list[list[float]]) -> Array:
    """Weights of a 1x1 convolution."""
    return np.array(matrix, np.float32)[:, :, None, None]


def chain(*layers: list[list[float]]) -> onnx.ModelProto:
    """1x1 convolutions one after another, named conv0, conv1, ..."""
    tensors = ["image", *(f"t{index}" for index in range(len(layers) - 1)), "logits"]
    nodes = [
        helper.make_node("Conv", [tensors[index], f"w{index}"], [tensors[index + 1]], name=f"conv{index}")
        for index in range(len(layers))
    ]
    return by_hand(nodes, {f"w{index}": pointwise(layer) for index, layer in enumerate(layers)})


SAME = [[1.0, 0.0], [0.0, 1.0]]
ONE_IS_HUGE, AND_BACK = [[1000.0, 0.0], [0.0, 1.0]], [[0.001, 0.0], [0.0, 1.0]]


@pytest.fixture
def noise() -> Array:
    """(16, 2, 4, 4) of -1 to 1."""
    return np.random.default_rng(0).uniform(-1, 1, (16, 2, 4, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def float_graph(exported: ExportResult) -> onnx.ModelProto:
    return onnx.load(str(exported.path))


@pytest.fixture(scope="module")
def int8(float_graph: onnx.ModelProto, images: torch.Tensor) -> onnx.ModelProto:
    return quantize(float_graph, images.numpy(), accept_all).graph


def kernels(graph: onnx.ModelProto, folder: Path) -> Counter[str]:
    """What onnxruntime runs for it on the CPU."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def test_a_unit_is_a_weighted_node_and_what_is_done_to_its_output() -> None:
    nodes = [
        helper.make_node("Mul", ["image", "s"], ["scaled"], name="scale"),
        helper.make_node("Conv", ["scaled", "w"], ["a"], name="first"),
        helper.make_node("Sigmoid", ["a"], ["gate"], name="sigmoid"),
        helper.make_node("Mul", ["a", "gate"], ["b"], name="silu"),
        helper.make_node("Conv", ["b", "w"], ["c"], name="second"),
        helper.make_node("Relu", ["b"], ["d"], name="relu of the first"),
        helper.make_node("Add", ["c", "d"], ["e"], name="end of the block"),
        helper.make_node("MatMul", ["e", "e"], ["f"], name="attention"),
        helper.make_node("Relu", ["f"], ["logits"], name="last"),
    ]
    assert units(by_hand(nodes, {"s": 2.0, "w": pointwise(SAME)})) == (
        ("first", "sigmoid", "silu", "relu of the first"),
        ("second", "end of the block", "last"),
    )


@pytest.mark.parametrize(
    ("bits", "stored"), [(7, [[64, -32], [64, 16]]), (8, [[127, -64], [127, 32]])]
)  # -63.5 and 31.75 round to -64 and 32
def test_weights_are_rounded_by_channel_to_the_bits_asked_for(noise: Array, bits: int, stored: list[list[int]]) -> None:
    graph = chain([[2.0, -1.0], [100.0, 25.0]])
    done = quantize(graph, noise, accept_all, weight_bits=bits).graph
    (weights,) = (numpy_helper.to_array(t) for t in done.graph.initializer if t.name == "w0_quantized")
    assert weights.dtype == np.int8
    assert weights[:, :, 0, 0].tolist() == stored
    (scales,) = (numpy_helper.to_array(t) for t in done.graph.initializer if t.name == "w0_scale")
    assert scales == pytest.approx(np.array([2.0, 100.0]) / stored[0][0])


def test_activations_are_rounded_to_8_bits_of_the_range_seen(noise: Array) -> None:
    noise[0, 0, 0, 0], noise[0, 0, 0, 1] = -3.0, 48.0
    done = quantize(chain(SAME), noise, accept_all).graph
    values = {t.name: numpy_helper.to_array(t) for t in done.graph.initializer}
    assert values["image_scale"] == pytest.approx(0.2)  # (48 + 3) / 255
    assert values["image_zero_point"] == np.array(15, np.uint8)


def test_a_good_network_is_quantised_whole_and_not_ranked(
    float_graph: onnx.ModelProto, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(keep, "signal_to_noise_db")
    before = float_graph.SerializeToString()
    done = quantize(float_graph, images.numpy(), accept_all)
    assert (done.kept_in_float, done.calibration_images) == ((), 3)
    assert done.of_nodes == Counter(node.op_type for node in float_graph.graph.node)["Conv"] + 1
    assert float_graph.SerializeToString() == before


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_file_computes_nearly_the_same_at_any_batch(
    float_graph: onnx.ModelProto, int8: onnx.ModelProto, images: torch.Tensor, batch: int, optimize: bool
) -> None:
    some = images.numpy()[np.arange(batch) % len(images)]
    wanted = outputs(float_graph, some, batch=batch)
    found = outputs(int8, some, batch=batch, optimize=optimize)
    assert (found.dtype, found.shape) == (np.float32, wanted.shape)
    assert signal_to_noise_db(wanted, found) > 15


def test_the_file_is_small_and_described_as_the_float_one(float_graph: onnx.ModelProto, int8: onnx.ModelProto) -> None:
    assert int8.graph.ByteSize() < 0.27 * float_graph.graph.ByteSize()
    assert int8.metadata_props == float_graph.metadata_props
    for mine, original in ((int8.graph.input, float_graph.graph.input), (int8.graph.output, float_graph.graph.output)):
        assert [value.SerializeToString() for value in mine] == [value.SerializeToString() for value in original]
    read = {name for node in int8.graph.node for name in node.input}
    assert {tensor.name for tensor in int8.graph.initializer} <= read
    assert int8.ir_version == lowest_ir_version(int8)
    assert [(item.domain, item.version) for item in int8.opset_import] == [
        (item.domain, item.version) for item in float_graph.opset_import if not item.domain
    ]
    content = int8.SerializeToString()
    assert not any(os.fsencode(str(path)) in content for path in (Path.cwd(), Path.home(), tempfile.gettempdir()))


def test_onnxruntime_runs_it_on_integers(float_graph: onnx.ModelProto, int8: onnx.ModelProto, tmp_path: Path) -> None:
    layers = Counter(node.op_type for node in float_graph.graph.node)
    run = kernels(int8, tmp_path)
    assert (run["QLinearConv"], run["QGemm"], run["Conv"], run["Gemm"]) == (layers["Conv"], layers["Gemm"], 0, 0)
    (last,) = (node for node in int8.graph.node if "logits" in node.output)
    assert last.op_type == "Gemm"  # float: large logits are not clipped to the calibrated range


def test_the_most_sensitive_layers_stay_float_in_growing_steps(noise: Array, tmp_path: Path) -> None:
    # Eight bits over -1000 to 1000 leave nothing of a channel of -1 to 1, in the tensor from conv1 to conv2.
    graph = chain(SAME, ONE_IS_HUGE, AND_BACK, SAME, SAME)
    wanted = outputs(graph, noise)
    ratios_db: list[float] = []

    def accept(candidate: onnx.ModelProto) -> Verdict:
        ratios_db.append(signal_to_noise_db(wanted, outputs(candidate, noise)))
        return Verdict(ratios_db[-1] > 30, f"{ratios_db[-1]:.0f} dB")

    done = quantize(graph, noise, accept)
    assert set(done.kept_in_float) == {"conv1", "conv2"}
    assert [ratio < 10 for ratio in ratios_db] == [True, True, False]  # 0, 1 and 2 layers in float
    assert done.of_nodes == 5
    stored = {tensor.name: tensor.data_type for tensor in done.graph.graph.initializer}
    assert {name: stored[name] for name in ("w1", "w2")} == dict.fromkeys(("w1", "w2"), TensorProto.FLOAT)
    assert kernels(done.graph, tmp_path)["QLinearConv"] >= 2


@pytest.mark.parametrize(
    ("layers", "steps"), [(1, [0]), (2, [0, 1]), (5, [0, 1, 2]), (8, [0, 1, 2, 4]), (7, [0, 1, 2, 3])]
)
def test_at_most_half_stay_float(noise: Array, layers: int, steps: list[int]) -> None:
    different = [[[1.0, index / 100], [0.0, 1.0]] for index in range(layers)]  # what is equal would be stored once
    tried: list[int] = []

    def refuse(candidate: onnx.ModelProto) -> Verdict:
        stored = {tensor.name for tensor in candidate.graph.initializer}
        tried.append(sum(f"w{index}" in stored for index in range(layers)))
        return NO

    where = f"with {steps[-1]} of {layers} layers kept in float" if layers > 1 else "as it is"
    with pytest.raises(ExportError) as caught:
        quantize(chain(*different), noise, refuse)
    assert tried == steps
    assert str(caught.value) == (
        f"The int8 file isn't as good as the float one even {where} (AUPRC 0.80, fp32 0.90): keep it in fp32."
    )


def test_signal_to_noise() -> None:
    signal = np.array([3, 4], np.float32)
    assert signal_to_noise_db(signal, signal + np.array([0, 0.5], np.float32)) == pytest.approx(20)  # 25 / 0.25
    assert signal_to_noise_db(signal, signal) == np.inf
    assert signal_to_noise_db(0 * signal, signal) == -np.inf


def test_what_has_no_weights_is_refused(noise: Array) -> None:
    graph = by_hand([helper.make_node("Relu", ["image"], ["logits"])], {})
    with pytest.raises(ExportError, match="no Conv, ConvTranspose, Gemm or MatMul: keep it in fp32"):
        quantize(graph, noise, accept_all)


def test_nodes_without_a_name_are_given_one(noise: Array) -> None:
    graph = chain(SAME, ONE_IS_HUGE, AND_BACK, SAME)
    for node in graph.graph.node:
        node.name = ""
    verdicts = iter((NO, YES))
    done = quantize(graph, noise, lambda candidate: next(verdicts))
    assert done.kept_in_float[0] in {"Conv_1", "Conv_2"}


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4), np.float32), np.zeros((0, 2, 4, 4), np.float32), np.zeros((2, 2, 4, 4))]
)
def test_images_of_another_kind_are_refused(images: Any) -> None:
    with pytest.raises(ExportError, match="give at least one normalised image, float32 of shape"):
        quantize(chain(SAME), images, accept_all)


def test_images_of_another_size_are_refused(noise: Array) -> None:
    with pytest.raises(ExportError, match=r"can't be run on the calibration images: .*invalid dimensions"):
        quantize(chain(SAME), noise[..., :2], accept_all)


def test_infinite_values_are_refused(noise: Array) -> None:
    with pytest.raises(ExportError, match="'logits' is NaN or infinite on a training image"):
        quantize(chain([[3e38, 3e38], [1.0, 1.0]]), np.abs(noise) + 1, accept_all)


def test_other_bits_are_refused(noise: Array) -> None:
    with pytest.raises(UsageError, match="Weights of 4 bits can't be had: give 7, or 8"):
        quantize(chain(SAME), noise, accept_all, weight_bits=4)


def stop(*args: object, **more: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["nowhere", "quant_pre_process", "create_calibrator"])
def test_nothing_is_left_behind_or_heard(
    float_graph: onnx.ModelProto,
    images: torch.Tensor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    verdicts = iter((NO, YES))
    if where != "nowhere":
        monkeypatch.setattr(qdq, where, stop)
        with pytest.raises(KeyboardInterrupt):
            quantize(float_graph, images.numpy(), accept_all)
    else:
        quantize(float_graph, images.numpy(), lambda candidate: next(verdicts))
    assert list(tmp_path.iterdir()) == []
    assert (*capfd.readouterr(), caplog.records) == ("", "", [])


class Shrinker(nn.Module):
    """Down and up again, as a U-Net: sides are multiples of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(11, 1, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        small = torch.relu(self.middle(torch.relu(self.down(image))))
        back = nn.functional.interpolate(small, scale_factor=2.0)
        return torch.as_tensor(self.last(torch.cat([back, image], 1)))


def test_height_and_width_stay_free(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    graph = translate(Shrinker().eval(), images, opset=None, divisor=2)
    done = quantize(graph, images.numpy(), accept_all)
    dims = [[dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in done.graph.graph.input]
    assert dims == [["batch", "", "2*height_2", "2*width_2"]]
    other = np.ascontiguousarray(images.numpy()[:, :, :18, :10])
    assert signal_to_noise_db(outputs(graph, other), outputs(done.graph, other)) > 20
