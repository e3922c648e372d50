"""What a file is reported to have passed was looked at in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ttl.errors import GateError
from ttl.export.gate import check_graph, elsewhere
from ttl.export.parity import Parity


def write(path: Path, *, batch: str | int = "batch", output: str = "logits", spare: bool = False) -> Path:
    """Relu, by hand; with `spare` a weight that nothing reads."""
    weights = [numpy_helper.from_array(np.ones(3, np.float32), "left over")] if spare else []
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3]) for name in ("image", output)]
    graph = helper.make_graph([helper.make_node("Relu", ["image"], [output])], "g", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_a_sound_graph_is_described(tmp_path: Path) -> None:
    found = {check.name: check.found for check in check_graph(write(tmp_path / "m.onnx"))}
    assert found["Names and shapes"] == "image (batch, 3) -> logits (batch, 3)"
    assert found["Batch norms"] == "none left"


def test_another_output_has_to_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", output="probabilities")
    assert len(check_graph(path, output="probabilities")) == 4
    with pytest.raises(GateError, match="probabilities where one 'logits' is expected"):
        check_graph(path)


def test_a_fixed_batch_and_a_spare_weight_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="fixed the batch size of 'image' to 4"):
        check_graph(write(tmp_path / "a.onnx", batch=4))
    with pytest.raises(GateError, match="weights that nothing reads: left over"):
        check_graph(write(tmp_path / "b.onnx", spare=True))


def test_elsewhere_says_what_was_wanted_of_int8_too() -> None:
    parity = Parity(0.3, None, 1.0, (1, 2, 7), 0.3, 1e-6, 7, 1)
    assert elsewhere("cuda", parity).wanted == "the metric decides"
