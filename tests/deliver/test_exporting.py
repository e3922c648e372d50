"""`ttl export`: what it leaves, what it refuses, and what the report then says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ttl.deliver import acceptance
from ttl.deliver.deliverable import Deliverable
from ttl.errors import DataError, GateError, RunFolderError, TTLError, UsageError
from ttl.export.contract import read_contract
from ttl.export.options import ExportConfig
from ttl.export.to_file import export_model
from ttl.run import export, exporting_flow
from ttl.run.exporting_flow import deliverable_in
from ttl.stats import Estimate, NonInferiority


def content_of(folder: Path, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / name).read_text())
    return content


def test_a_run_tells_what_was_checked_on_its_files(ran: Path) -> None:
    content = content_of(ran, "report.json")
    files = content["exports"]
    assert isinstance(files, list)
    assert [(file["file"], file["state"]) for file in files] == [("model.onnx", "passed"), ("full.onnx", "passed")]
    names = [check["name"] for check in files[0]["checks"]]
    assert {"ONNX checker, full", "Largest difference from PyTorch float64"} <= set(names)
    assert files[0]["comparison"]["non_inferior"]
    assert files[0]["sha256"] == content_of(ran, "model.json")["export"]["sha256"]


def test_the_cards_of_a_run_compare_the_cut_with_the_whole(folder: Path) -> None:
    report = content_of(folder, "report.json")
    (record,) = export(folder, ExportConfig(precision=("fp16",)))
    for name, timed in (("model", True), ("model.fp16", False)):
        against = content_of(folder, f"{name}.json")["against_whole"]
        own, whole = (read_contract(folder / file).provenance for file in (f"{name}.onnx", "full.onnx"))
        assert (against["cut"]["params"], against["whole"]["params"]) == (own.params, whole.params)
        assert (against["cut"]["macs"], against["whole"]["macs"]) == (own.macs, whole.macs)
        assert ("p50_ms" in against["cut"], bool(against["timed_on"])) == (timed, timed)
        files = {file["file"]: file for file in content_of(folder, "report.json")["exports"]}
        for side, file in (("cut", f"{name}.onnx"), ("whole", "full.onnx")):
            assert against[side]["score"] == files[file]["test"][report["metric"]]
            assert against[side]["rates"] == files[file]["at_point"]
        card = (folder / f"{name}.md").read_text()
        assert "## Against the whole network" in card
        assert f"{against['verdict']}. {against['reasons'][0]}" in card
    assert record.at_point is not None
    assert "## Against the whole network" not in (folder / "full.md").read_text()


def test_each_file_has_its_json_and_its_card_beside(folder: Path) -> None:
    records = export(folder, ExportConfig(precision=("fp16",), program=True, licence="CC BY 4.0"))
    assert [(record.file, record.state) for record in records] == [
        ("model.fp16.onnx", "passed"),
        ("model.pt2", "passed"),
    ]
    contract = read_contract(folder / "model.fp16.onnx")
    origin = contract.provenance
    assert (contract.precision, origin.data_name, origin.recipe) == ("fp16", "digits:0-1", "full")
    assert contract.parity["max_abs"] == records[0].parity_max_abs
    assert set(origin.versions) >= {"ttl", "torch", "onnxruntime"}
    beside = content_of(folder, "model.fp16.json")
    assert beside["metadata"]["data_fingerprint"] == origin.data_fingerprint
    card = (folder / "model.fp16.md").read_text()
    assert origin.licence == "CC BY 4.0"
    assert set(records[0].test) == set(contract.metrics["test"])
    assert contract.own is not None
    assert contract.own.test == records[0].test
    assert contract.own.at_point == records[0].at_point
    assert set(contract.own.at_point) >= {"sensitivity", "specificity"}
    assert re.search(r"^\| accuracy \| .* \| .* \| \d\.\d{3} \|$", card, re.MULTILINE)
    for part in (
        f"`{origin.network}` up to `{origin.cut}`",
        "not inferior to fp32",
        records[0].sha256,
        "| Licence | CC BY 4.0 |",
    ):
        assert part in card
    files = content_of(folder, "report.json")["exports"]
    assert isinstance(files, list)
    assert [file["file"] for file in files] == ["model.onnx", "full.onnx", "model.fp16.onnx", "model.pt2"]
    assert "model.fp16.onnx" in (folder / "report.html").read_text()


def test_a_file_that_is_inferior_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = NonInferiority("auprc", Estimate(-0.05, -0.08, -0.02), 0.01)
    monkeypatch.setattr(Deliverable, "compared", lambda *args: worse)
    for stale in ("model.fp16.onnx", "model.fp16.json", "model.fp16.md"):
        (folder / stale).write_text("of an earlier export")
    (record,) = export(folder, ExportConfig(precision=("fp16",)))
    assert record.state == "failed"
    assert record.why.startswith(
        "Difference in test AUPRC from fp32 -0.0500 (95 % interval -0.0800 to -0.0200): not shown to lose less than "
        "0.01 against fp32: raise --margin (0.01) if more may be lost, or keep fp32"
    )
    assert not list(folder.glob("*fp16*"))
    files = content_of(folder, "report.json")["exports"]
    assert isinstance(files, list)
    assert [(file["file"], file["state"]) for file in files][-1] == ("model.fp16.onnx", "failed")
    assert "exported, but failed" in (folder / "report.html").read_text()


def test_a_file_that_decides_otherwise_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks are as they were, so AUPRC is, and every decision is another."""
    from_file = Deliverable.from_file

    def shifted(deliverable: Deliverable, path: Path, split: str) -> object:
        rows = from_file(deliverable, path, split)
        positive = rows[:, 1] / 2 + (0.5 if rows[:, 1].mean() < 0.5 else 0.0)
        return np.stack([1 - positive, positive], axis=1)

    monkeypatch.setattr(Deliverable, "from_file", shifted)
    (record,) = export(folder, ExportConfig(precision=("fp16",)))
    assert record.state == "failed"
    assert re.match(
        r"The file decides \d+ of \d+ test images otherwise than fp32, which is shown to be more than 5%", record.why
    )
    (record,) = export(folder, ExportConfig(precision=("fp16",), max_changed=1.0))
    assert record.state == "passed"
    assert record.decisions_changed[0] > 0


def test_int8_is_calibrated_and_says_what_it_kept(folder: Path) -> None:
    (record,) = export(folder, ExportConfig(precision=("int8",), calibration_images=24))
    assert record.state == "passed", record.why
    assert record.calibration_images == 24
    assert len(record.kept_in_float) <= record.quantizable // 2
    assert record.size_bytes < 0.6 * (folder / "model.onnx").stat().st_size
    assert read_contract(folder / "model.int8.onnx").precision == "int8"


def test_a_file_for_decoded_images_gives_the_same_probabilities(folder: Path) -> None:
    (record,) = export(folder, ExportConfig(embed_preprocessing=True))
    assert (record.file, record.state) == ("model.embedded.onnx", "passed")
    assert record.decisions_changed[0] == 0
    deliverable = deliverable_in(folder, None)
    plain, embedded = (deliverable.from_file(folder / name, "test") for name in ("model.onnx", "model.embedded.onnx"))
    np.testing.assert_allclose(embedded, plain, atol=0.05)
    names = [check.name for check in record.checks]
    assert names.count("ONNX checker, full") == 1
    assert "Decoded images against the training pipeline" in names


@pytest.mark.parametrize("embedded", [True, False])
def test_a_metric_that_moved_says_what_embedded_preprocessing_has_to_do_with_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, embedded: bool
) -> None:
    monkeypatch.setattr(acceptance, "METRIC_TOLERANCE", -1.0)
    (record,) = export(folder, ExportConfig(embed_preprocessing=embedded))
    assert record.state == "failed"
    assert ("leave --embed-preprocessing out; the file was removed" in record.why) is embedded
    assert ("the exported graph isn't the model, so the file was removed" in record.why) is not embedded


def test_what_cannot_be_exported_says_why_and_the_others_are_made(folder: Path) -> None:
    before = (folder / "model.onnx").read_bytes()
    records = export(folder, ExportConfig(program=True, opset=17))
    assert [record.state for record in records] == ["not exported", "passed"]
    assert "Opset 17 can't be had" in records[0].why
    assert (folder / "model.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 99}, "--opset 99 can't be had, .*: leave it out"),
        ({"opset": 9, "embed_preprocessing": True}, r"can't be embedded at opset 9, .*opset 13 or newer"),
    ],
)
def test_what_no_file_can_have_is_refused_before_the_model_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(exporting_flow, "deliverable_in", lambda *given: pytest.fail("the model was loaded"))
    with pytest.raises(TTLError, match=message):
        export(folder, ExportConfig(**options))


def test_other_data_has_to_have_the_same_classes(ran: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the model tells 0, 1 apart: give data like that"):
        export(ran, ExportConfig(), out=tmp_path, data="digits:0-2")


def test_a_model_without_its_run_is_judged_on_the_data_given(ran: Path, tmp_path: Path) -> None:
    trial = content_of(ran, "report.json")["chosen"]["trial"]
    alone = shutil.copytree(ran / "trials" / trial, tmp_path / "alone")
    (alone / "trial.json").unlink()
    with pytest.raises(DataError, match="doesn't say what data it was trained on"):
        export(alone, ExportConfig())
    (record,) = export(alone, ExportConfig(), data="digits:0-1")
    assert record.state == "passed"
    assert abs(record.comparison.difference.value) < 1e-6
    with pytest.raises(RunFolderError, match="holds neither a finished run nor a saved model"):
        export(tmp_path, ExportConfig())


def test_one_name_is_for_one_file(ran: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is one file, and 2 were asked for"):
        export(ran, ExportConfig(precision=("fp32", "fp16")), out=tmp_path / "m.onnx")


def test_a_program_that_is_refused_leaves_the_card_of_the_onnx_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, precision: str, **options: object) -> object:
        if precision == "program":
            raise GateError("It differs.")
        return export_model(*args, precision=precision, **options)

    monkeypatch.setattr("ttl.deliver.exporting.export_model", refuse)
    (folder / "model.pt2").write_text("of an earlier export")
    records = export(folder, ExportConfig(program=True))
    assert [record.state for record in records] == ["passed", "failed"]
    assert not (folder / "model.pt2").exists()
    assert (folder / "model.json").is_file()
    assert (folder / "model.md").is_file()


def test_calibration_sees_every_class_alike_and_no_image_twice(ran: Path) -> None:
    deliverable = deliverable_in(ran, None)
    labels = np.asarray(deliverable.task.train.labels)
    pixels = deliverable.splits["train"].crops()
    images = deliverable.to_calibrate(10)
    assert images.shape == (10, 3, 32, 32)
    whole = deliverable.network_input("train", np.arange(len(labels)))
    found = [int(torch.nonzero((whole == image).flatten(1).all(1))[0]) for image in images]
    assert len(set(found)) == len(found) == 10
    assert np.bincount(labels[found]).tolist() == [5, 5]
    assert len(deliverable.to_calibrate(10**6)) == len(pixels)


def test_the_graph_holds_no_norm_after_a_convolution(ran: Path) -> None:
    kinds = [node.op_type for node in onnx.load(ran / "model.onnx").graph.node]
    assert "Conv" in kinds
    assert "BatchNormalization" not in kinds
