from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ttl.errors import ExportError
from ttl.export.structure import check_structure, strip

BN = ["image", "w", "w", "w", "w"]


def graph_of(
    *nodes: NodeProto, batch: str | int = "batch", out: str | int = "batch", constants: tuple[str, ...] = ("w",)
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "by hand",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 2, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [out, 3, 2, 2])],
        [numpy_helper.from_array(np.ones(3, np.float32), name) for name in constants],
    )
    return helper.make_model(graph)


def test_inference_graph_passes() -> None:
    check_structure(graph_of(helper.make_node("BatchNormalization", BN, ["logits"])))


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (
            helper.make_node("BatchNormalization", BN, ["logits", "m", "v"], training_mode=1),
            "BatchNormalization",
        ),
        (helper.make_node("Dropout", ["image"], ["logits"]), "Dropout"),
    ],
)
def test_training_is_refused(node: NodeProto, name: str) -> None:
    with pytest.raises(ExportError, match=rf"still trains \({name}\)"):
        check_structure(graph_of(node))


def test_training_inside_a_branch_is_refused() -> None:
    branch = helper.make_graph([helper.make_node("Dropout", ["image"], ["o"])], "branch", [], [])
    node = helper.make_node("If", ["w"], ["logits"], then_branch=branch, else_branch=branch)
    with pytest.raises(ExportError, match=r"still trains \(Dropout\)"):
        check_structure(graph_of(node))


def test_fixed_batch_is_refused() -> None:
    with pytest.raises(ExportError, match="fixed the batch size of 'image' to 4"):
        check_structure(graph_of(helper.make_node("Relu", ["image"], ["logits"]), batch=4))
    with pytest.raises(ExportError, match="fixed the batch size of 'logits' to 2: the model's forward depends on"):
        check_structure(graph_of(helper.make_node("Relu", ["image"], ["logits"]), out=2))


def test_second_file_is_refused() -> None:
    model = graph_of(helper.make_node("BatchNormalization", BN, ["logits"]))
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(ExportError, match="keeps w in a second file"):
        check_structure(model)


def test_strip_takes_out_what_nothing_reads() -> None:
    node = helper.make_node("BatchNormalization", BN, ["logits"], doc_string="/home/someone/net.py")
    helper.set_model_props(model := graph_of(node, constants=("w", "left over")), {"ttl.cut": "1"})
    model.graph.node[0].metadata_props.add(key="stack_trace", value="/home/someone/net.py")
    strip(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["w"]
    assert b"someone" not in model.SerializeToString()
    assert model.metadata_props[0].key == "ttl.cut"


def test_strip_keeps_what_a_branch_reads() -> None:
    branch = helper.make_graph([helper.make_node("Relu", ["inner"], ["o"])], "branch", [], [])
    node = helper.make_node("If", ["w"], ["logits"], then_branch=branch, else_branch=branch)
    model = graph_of(node, constants=("w", "inner"))
    strip(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["w", "inner"]
