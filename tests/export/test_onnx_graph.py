from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ttl.errors import ExportError, GateError
from ttl.export.onnx_graph import check_graph, check_structure, lowest_ir_version, strip

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


@pytest.mark.parametrize(("opset", "version"), [(8, 4), (13, 7), (18, 8), (19, 9), (20, 9), (21, 10)])
def test_the_ir_version_is_the_one_that_came_with_the_operators(opset: int, version: int) -> None:
    graph = helper.make_model(
        graph_of(helper.make_node("Relu", ["image"], ["logits"])).graph,
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)],
        ir_version=13,
    )
    assert lowest_ir_version(graph) == version
    body = helper.make_function("own", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], graph.opset_import)
    graph.functions.append(body)
    assert lowest_ir_version(graph) == max(version, 8)


def test_operators_newer_than_the_table_leave_the_version_as_it_is() -> None:
    graph = graph_of(helper.make_node("Relu", ["image"], ["logits"]))
    graph.opset_import[0].version, graph.ir_version = 99, 11
    assert lowest_ir_version(graph) == 11
