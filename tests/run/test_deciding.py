"""Operating points: set on validation, kept with the model, changed without training, refused early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toy_runs import content_of, squares, tiny, tiny_unet
from ttl.errors import DataError, UsageError
from ttl.export.contract import read_contract
from ttl.export.options import ExportConfig
from ttl.run import export, run
from ttl.study.folder import Study
from ttl.study.ledger import read_ledger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a task that isn't too easy."""
    out = tmp_path_factory.mktemp("decided")
    run(tiny(out, data="digits:8-9", strategy="probe", train_fraction=0.3))
    return out


def test_the_threshold_is_the_best_balanced_accuracy_of_validation_and_decides_on_test(folder: Path) -> None:
    content = content_of(folder)
    for which, file in (("chosen", "model.onnx"), ("full", "full.onnx")):
        decided = content["decisions"].get(which) or content["decisions"]["full"]
        trial = folder / "trials" / content[which]["trial"]
        (threshold,) = decided["rule"]["thresholds"]
        assert read_contract(folder / file).rule.thresholds == (threshold,)
        rows = np.array(content_of(trial, "test.json")["rows"])[:, 1]
        hits, misses, alarms, rejections = decided["counts"]
        assert hits + alarms == (rows >= threshold).sum()
        assert decided["rates"]["sensitivity"]["value"] == pytest.approx(hits / (hits + misses))
        assert decided["rates"]["specificity"]["value"] == pytest.approx(rejections / (rejections + alarms))
        assert content["confusion"].get(which, content["confusion"]["full"]) == [[rejections, alarms], [misses, hits]]
        (curve,) = content["curves"].get(which, content["curves"]["full"])
        assert curve["threshold"] == threshold
        rates = {"precision": "ppv", "sensitivity": "sensitivity", "specificity": "specificity"}
        assert curve["at_threshold"] == {name: decided["rates"][key] for name, key in rates.items()}
        set_on = decided["rule"]["set_on"][0]
        val = np.array(content_of(trial, "trial.json")["predictions"]["val"])[:, 1]
        assert set_on["positives"] + set_on["negatives"] == len(val)


def test_another_operating_point_trains_nothing_and_is_a_further_look(folder: Path) -> None:
    before = content_of(folder)
    finished = run(tiny(folder, data="digits:8-9", strategy="probe", train_fraction=0.3, sensitivity=0.8))
    assert finished.trained == 0
    after = content_of(folder)
    assert after["decisions"]["full"]["rule"]["aim"]["rule"] == "sensitivity"
    assert after["full"]["test"]["auprc"] == before["full"]["test"]["auprc"]  # ranks are what they were
    assert after["run"]["config"]["sensitivity"] == 0.8
    assert read_contract(folder / "full.onnx").rule.aim.value == 0.8
    looks = read_ledger(Study(folder)).looks
    assert "operating point changed" in {look.occasion for look in looks}
    assert len(after["looks"]) == len(looks) > len(before["looks"])
    again = run(tiny(folder, data="digits:8-9", strategy="probe", train_fraction=0.3, sensitivity=0.8))
    assert len(again.report.looks) == len(looks)


def test_a_threshold_that_differs_in_its_last_digit_is_followed_and_files_by_another_are_dropped(folder: Path) -> None:
    options = {"data": "digits:8-9", "strategy": "probe", "train_fraction": 0.3}
    for threshold in (0.50012, 0.50043):
        run(tiny(folder, **options, threshold=threshold))
        assert read_contract(folder / "model.onnx").rule.thresholds == (threshold,)
    export(folder, ExportConfig(precision=("fp16",)))
    assert "model.fp16.onnx" in {file["file"] for file in content_of(folder)["exports"]}
    before = len(read_ledger(Study(folder)).looks)
    run(tiny(folder, **options, threshold=0.50012))
    content = content_of(folder)
    assert {file["file"] for file in content["exports"]} == {"model.onnx", "full.onnx"}
    assert len(content["looks"]) > before  # the same threshold as once before is a look all the same


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"sensitivity": 0.99}, DataError, "positive images .* are too few to hold a sensitivity of 0.99"),
        ({"decide_per": "patient"}, UsageError, "--decide-per patient needs to know the patients"),
        ({"data": "digits:0-2", "costs": (5.0, 1.0)}, UsageError, "--costs needs a finding"),
    ],
)
def test_what_cannot_be_set_is_refused_before_training(
    tmp_path: Path, options: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        run(tiny(tmp_path, **options))
    assert not (tmp_path / "trials").exists()


def test_a_finding_of_several_classes_has_a_threshold_and_costs_an_endpoint(tmp_path: Path) -> None:
    options = {"data": "digits:0-3", "positive": ("2", "3"), "costs": (5.0, 1.0), "select": "best"}
    run(tiny(tmp_path, strategy="exhaustive", max_params="100k", **options))
    content = content_of(tmp_path)
    decisions = content["decisions"]
    assert decisions["full"]["rule"]["finding"] == ["2", "3"]
    assert decisions["endpoint"]["metric"] == "cost"
    assert 0.3 < decisions["prevalence"] < 0.7
    assert decisions["chosen"]["rule"]["thresholds"] != decisions["full"]["rule"]["thresholds"]
    finding, *classes = content["curves"]["full"]
    assert (finding["class"], finding["threshold"]) == ("2 or 3", decisions["full"]["rule"]["thresholds"][0])
    assert finding["at_threshold"]["sensitivity"] == decisions["full"]["rates"]["sensitivity"]
    assert [of["class"] for of in classes] == ["0", "1", "2", "3"]
    assert not any("at_threshold" in of for of in classes)
    assert content["curves"]["left_out"] == 0
    assert np.shape(content["confusion"]["full"]) == (4, 4)
    believed = content["probabilities"]["full"]
    assert set(believed["bias"]) == {"0", "1", "2", "3"}
    assert believed["expected_error"]["ci_low"] < believed["expected_error"]["ci_high"]


def test_masks_have_the_best_dice_of_validation_as_their_threshold(tmp_path: Path) -> None:
    data = squares(tmp_path / "data")
    run(tiny_unet(data, tmp_path / "run", strategy="two-stage", epochs=2))
    rule = content_of(tmp_path / "run")["decisions"]["full"]["rule"]
    assert (rule["per"], rule["aim"]["rule"], rule["finding"]) == ("pixel", "dice", ["foreground"])
    assert read_contract(tmp_path / "run" / "full.onnx").mask_threshold == rule["thresholds"][0]
