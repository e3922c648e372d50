from __future__ import annotations

import json
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from ttl.data.kind import KINDS
from ttl.data.modality.rendering import Rendering
from ttl.errors import ExportError
from ttl.export.contract import (
    Contract,
    Decoding,
    contract_from_json,
    contract_to_json,
    from_properties,
    read_contract,
    to_properties,
)
from ttl.stats import Aim, DecisionRule, Recalibration, Threshold
from ttl.words.estimate import Estimate

FILE = Path("m.onnx")
OF_VERSION_0_1 = {
    "ttl.kind": '"segmentation"',
    "ttl.class_names": '["background", "nucleus"]',
    "ttl.image_size": "96",
    "ttl.channels": "3",
    "ttl.mean": "[0.485, 0.456, 0.406]",
    "ttl.std": "[0.229, 0.224, 0.225]",
    "ttl.interpolation": '"bilinear"',
    "ttl.backbone": '"unet:mobilenet_v2"',
    "ttl.weights": '"pretrained"',
    "ttl.cut": '"encoder.features.7"',
    "ttl.index": "8",
    "ttl.params": "499281",
    "ttl.macs": "272503296",
    "ttl.ttl_version": '"0.1.0"',
    "ttl.data_fingerprint": '"db"',
    "ttl.divisor": "16",
    "ttl.free_sides": "true",
    "ttl.precision": '"fp32"',
    "ttl.embeds_preprocessing": "false",
    "ttl.window": "[40.0, 400.0]",
    "ttl.metrics": '{"test": {"dice": {"value": 0.9, "ci_low": null, "ci_high": null}}}',
    "ttl.parity": '{"max_abs": 2e-05, "tolerance": null}',
    "ttl.data_name": '"nuclei"',
    "ttl.recipe": '"unet"',
    "ttl.versions": '{"ttl": "0.1.0"}',
    "ttl.licence": '""',
}
"""All that version 0.1 wrote."""


def test_round_trip(contract: Contract) -> None:
    assert from_properties(to_properties(contract), FILE) == contract
    oblong = replace(contract, sides=(165, 342), decoding=Decoding("bicubic", (40.0, 400.0)))
    assert from_properties(to_properties(oblong), FILE) == oblong


AWKWARD = (0.1 + 0.2, 1 / 3, 5e-324, 1 - 2**-53)
"""Numbers that a text of few digits wouldn't keep."""


def test_rule_and_recalibration_are_exact_after_the_round_trip(contract: Contract) -> None:
    names = ("none", "mild", "grave é", "gone")
    points = tuple(Threshold(value, nan, 0.75, 0, 4) for value in AWKWARD)
    rules = (
        DecisionRule(("grave é", "gone"), AWKWARD[:1], Aim("sensitivity", AWKWARD[0], None, AWKWARD[1]), points[:1]),
        DecisionRule((), AWKWARD, Aim("costs", costs=AWKWARD[:2]), points, "patient", "max"),
        DecisionRule(),
    )
    made = Recalibration("scale and shift", AWKWARD, AWKWARD[::-1], (-0.0, *AWKWARD[1:]), 9, *AWKWARD[:2], nan, 0.7)
    for rule in rules:
        kind = KINDS["multilabel"] if len(rule.thresholds) > 1 else KINDS["multiclass"]
        own = replace(contract, kind=kind, class_names=names, decision=rule, recalibration=made, undertrained="so")
        back = from_properties(to_properties(own), FILE)
        assert repr(back.decision) == repr(rule)  # nan is nan here
        assert repr(back.recalibration) == repr(made)
        assert back.undertrained == "so"
        assert repr(contract_from_json(json.loads(json.dumps(contract_to_json(own))), where="x")) == repr(back)


def test_a_file_without_a_rule_decides_as_it_always_did(contract: Contract) -> None:
    properties = to_properties(contract)
    assert not {"ttl.decision", "ttl.recalibration", "ttl.undertrained"} & set(properties)
    back = from_properties(properties, FILE)
    assert (back.decision, back.recalibration, back.undertrained) == (None, None, None)
    assert back.rule == DecisionRule()
    labels = from_properties(to_properties(replace(contract, kind=KINDS["multilabel"])), FILE)
    assert labels.rule.thresholds == (0.5, 0.5)
    assert from_properties(OF_VERSION_0_1, FILE).mask_threshold is None


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("binary", DecisionRule(("measles",), (0.5,))),
        ("binary", DecisionRule(("normal",), ())),
        ("binary", DecisionRule(("normal",), (0.5, 0.5))),
        ("multilabel", DecisionRule((), (0.5,))),
    ],
)
def test_a_rule_that_does_not_fit_the_classes_is_refused(contract: Contract, kind: str, rule: DecisionRule) -> None:
    properties = to_properties(replace(contract, kind=KINDS[kind], decision=rule))
    with pytest.raises(ExportError, match=r"m\.onnx can't be trusted: the field decision has \d thresholds"):
        from_properties(properties, FILE)


def test_the_keys_are_those_of_version_0_1_and_a_few_more(contract: Contract) -> None:
    properties = to_properties(contract)
    more = {"ttl.modality", "ttl.sides", "ttl.outputs", "ttl.activation", "ttl.frame", "ttl.fit", "ttl.stretch"}
    more |= {"ttl.usage"}
    assert set(properties) == set(OF_VERSION_0_1) | more
    assert json.loads(properties["ttl.class_names"]) == ["normal", "pneumonie é"]
    assert (properties["ttl.image_size"], properties["ttl.sides"]) == ("32", "[32, 32]")
    assert "ttl.image_size" not in to_properties(replace(contract, sides=(165, 342)))


def test_what_version_0_1_wrote_is_read() -> None:
    contract = from_properties(OF_VERSION_0_1, FILE)
    assert (contract.sides, contract.modality) == ((96, 96), "image")
    assert (contract.outputs, contract.activation) == (1, "sigmoid")
    assert (contract.provenance.network, contract.provenance.cut) == ("unet:mobilenet_v2", "encoder.features.7")
    assert contract.decoding == Decoding("bilinear", (40.0, 400.0))
    assert contract.decoding.rendering == Rendering((40.0, 400.0), stretch="minmax")
    assert contract.metrics["test"]["dice"].value == 0.9
    assert contract.parity["tolerance"] is None
    written = to_properties(contract)
    assert {key: json.loads(written[key]) for key in OF_VERSION_0_1} == {
        key: json.loads(value) for key, value in OF_VERSION_0_1.items()
    }


@pytest.mark.parametrize(
    ("kind", "classes", "outputs", "activation"),
    [
        ("binary", 2, 2, "softmax"),
        ("multiclass", 5, 5, "softmax"),
        ("multilabel", 2, 2, "sigmoid"),
        ("segmentation", 2, 1, "sigmoid"),
        ("segmentation", 3, 3, "softmax"),
    ],
)
def test_outputs_follow_from_the_kind_and_the_classes(
    contract: Contract, kind: str, classes: int, outputs: int, activation: str
) -> None:
    of = replace(contract, kind=KINDS[kind], class_names=tuple("abcde"[:classes]))
    assert (of.outputs, of.activation) == (outputs, activation)
    written = to_properties(of)
    assert (json.loads(written["ttl.outputs"]), json.loads(written["ttl.activation"])) == (outputs, activation)


def test_nan_is_written_as_null(contract: Contract) -> None:
    properties = to_properties(replace(contract, metrics={"test": {"auroc": Estimate(nan, nan, 1.0)}}))
    assert "NaN" not in properties["ttl.metrics"]
    found = from_properties(properties, FILE).metrics["test"]["auroc"]
    assert (isnan(found.value), found.ci_high) == (True, 1.0)


def test_what_a_later_version_adds_is_left_alone(contract: Contract) -> None:
    later = to_properties(contract) | {"ttl.colour": '"none"', "author": "someone, no JSON"}
    assert from_properties(later, FILE) == contract


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ttl.sides": '"large"'},
            r"m\.onnx can't be trusted: the field sides: input should be .*; export it again\.$",
        ),
        ({"ttl.sides": "[0, 32]"}, r"the field sides\.0: input should be greater than or equal to 1"),
        ({"ttl.sides": "[32, 65537]"}, r"the field sides\.1: input should be less than or equal to 65536"),
        ({"ttl.sides": "[32]"}, "the field sides: tuple should have at least 2 items"),
        ({"ttl.sides": "[32.5, 32]"}, r"the field sides\.0: input should be a valid integer"),
        ({"ttl.mean": "[0.5]"}, "the field mean: tuple should have at least 3 items"),
        ({"ttl.mean": "[0.5, 0.5, 0.5, 0.5]"}, "the field mean: tuple should have at most 3 items"),
        ({"ttl.mean": "[0.5, NaN, 0.5]"}, r"the field mean\.1: input should be a finite number"),
        ({"ttl.std": "[0.5, 0, 0.5]"}, r"the field std\.1: input should be greater than 0"),
        ({"ttl.std": "[0.5, 0.5, Infinity]"}, r"the field std\.2: input should be a finite number"),
        ({"ttl.channels": "2"}, "the field channels: input should be 1 or 3"),
        (
            {"ttl.kind": '"other"'},
            "the field kind: input should be 'binary', 'multiclass', 'multilabel' or 'segmentation'",
        ),
        ({"ttl.modality": '"volume"'}, "the field modality: input should be 'image'"),
        (
            {"ttl.precision": '"int4"'},
            "the field precision: should be 'fp32', 'fp16', 'int8', 'program', 'openvino', .* or 'openvino-int8'",
        ),
        ({"ttl.activation": '"tanh"'}, "the field activation is 'tanh', and binary with 2 classes has 'softmax'"),
        ({"ttl.outputs": "1"}, "the field outputs is 1, and binary with 2 classes has 2"),
        ({"ttl.class_names": "[]"}, "the field class_names: tuple should have at least 1 item"),
        ({"ttl.divisor": "0"}, "the field divisor: input should be greater than or equal to 1"),
        ({"ttl.window": "[40.0, 0.0]"}, r"the field window\.1: input should be greater than 0"),
        ({"ttl.params": '"many"'}, "the field params: input should be a valid integer"),
        ({"ttl.params": "{"}, "a value isn't JSON; export it again"),
    ],
)
def test_what_does_not_fit_is_named(contract: Contract, change: dict[str, str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        from_properties(to_properties(contract) | change, FILE)


@pytest.mark.parametrize("key", ["std", "backbone", "interpolation", "ttl_version", "class_names"])
def test_a_missing_value_is_named(contract: Contract, key: str) -> None:
    properties = to_properties(contract)
    del properties[f"ttl.{key}"]
    name = {"backbone": "network"}.get(key, key)
    with pytest.raises(ExportError, match=rf"m\.onnx can't be trusted: the field {name} is missing"):
        from_properties(properties, FILE)


def test_foreign_file(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "foreign", [image], [out])
    onnx.save(helper.make_model(graph), tmp_path / "foreign.onnx")
    with pytest.raises(ExportError, match=r"foreign\.onnx has no ttl metadata: write it with `ttl export`"):
        read_contract(tmp_path / "foreign.onnx")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none\.onnx doesn't exist or isn't a file"):
        read_contract(tmp_path / "none.onnx")
