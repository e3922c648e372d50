from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ttl.errors import ExportError
from ttl.export.parity import Parity, check_parity

IMAGES = torch.tensor([1.0, -2.0, 4.0]).reshape(3, 1, 1, 1)
Writer = Callable[..., Path]


class Two(nn.Module):
    """Logits (x, 0.5 x): for the images above the largest |logit| is 4 and the margins 0.5, 1 and 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) * torch.tensor([[1.0, 0.5]])


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes logits = x * factors + shift, by hand."""

    def write(factors: list[float], shift: float = 0.0) -> Path:
        constants = {"factors": np.array([factors], np.float32), "shift": np.array(shift, np.float32)}
        flat = helper.make_node("Flatten", ["image"], ["flat"])
        times = helper.make_node("Mul", ["flat", "factors"], ["times"])
        plus = helper.make_node("Add", ["times", "shift"], ["logits"])
        graph = helper.make_graph(
            [flat, times, plus],
            "by hand",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 1, 1])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(factors)])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        path = tmp_path / "m.onnx"
        opset = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        return path

    return write


def test_figures(write: Writer) -> None:
    parity = check_parity(Two(), write([1.0, 0.5], 2.0**-13), IMAGES)
    assert parity.scale == 4.0
    assert parity.tolerance == pytest.approx(4e-4 + 1e-6)
    assert parity.max_abs == pytest.approx(2.0**-13, rel=1e-2)
    assert parity.batches == (1, 2, 7)


def test_difference_beyond_rounding(write: Writer) -> None:
    with pytest.raises(ExportError, match=r"differs from the model by 0\.01 at batch 1, more than the 0\.0004"):
        check_parity(Two(), write([1.0, 0.5], 0.01), IMAGES)


def test_scale_is_that_of_all_images(write: Writer) -> None:
    """At batch 1 only the image 1.0 is seen; what rounding may do there follows from the image 4.0."""
    shift = 3e-4
    assert check_parity(Two(), write([1.0, 0.5], shift), IMAGES).max_abs == pytest.approx(shift, rel=1e-2)
    with pytest.raises(ExportError, match="differs from the model"):
        check_parity(Two(), write([1.0, 0.5], shift), IMAGES[:1])


def test_another_shape(write: Writer) -> None:
    with pytest.raises(ExportError, match=r"returns \(1, 3\) at batch 1 where the model returns \(1, 2\)"):
        check_parity(Two(), write([1.0, 0.5, 0.25]), IMAGES)


def test_infinity_in_the_file(write: Writer) -> None:
    with pytest.raises(ExportError, match="exported file returns NaN or infinity"):
        check_parity(Two(), write([1.0, float("inf")]), IMAGES)


@pytest.mark.parametrize(
    ("bias", "precision", "words"),
    [(float("nan"), "fp32", "its own precision"), (1e5, "fp16", "half precision, whose numbers end at 65504")],
)
def test_a_model_without_a_number_to_compare_with(write: Writer, bias: float, precision: str, words: str) -> None:
    class Shifted(Two):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.tensor(bias))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + self.bias

    with pytest.raises(ExportError, match=f"model returns NaN or infinity on a real image in {words}"):
        check_parity(Shifted().eval(), write([1.0, 0.5]), IMAGES, precision=precision)


def test_decision_with_a_margin_must_agree(write: Writer) -> None:
    """Logits (1, 1 - 6e-4): a margin above the tolerance of 4e-4, turned by two differences below it."""

    class Close(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x.flatten(1), x.flatten(1) * (1 - 1.5e-4)], dim=1)

    with pytest.raises(ExportError, match="decides 1 of 1 images differently"):
        check_parity(Close(), write([1 - 0.9e-4, 1 - 0.7e-4]), IMAGES[2:])


def test_fixed_batch_inside_the_graph(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([2, 1], np.int64), "shape")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["image", "shape"], ["logits"])],
        "fixed",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 1, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
        [shape],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    with pytest.raises(ExportError, match="can't be run at batch 1"):
        check_parity(nn.Flatten(), path, IMAGES)


def test_int8_is_left_to_the_metric_on_a_gpu_too() -> None:
    parity = Parity(0.3, None, 1.0, (1, 2, 7), 0.3, 1e-6, 7, 1)
    assert parity.check_on("cuda").wanted == "the metric decides"
