"""A run from data to report: what it leaves, how it goes on, what it refuses."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from toy_networks import network
from toy_runs import POINTS, content_of, notes_in, timeless, tiny
from ttl.errors import DataError, RunFolderError, TrainingError, TTLError, UsageError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.export.run import OnnxModel
from ttl.run import delivering, export, plan, run, trial_run
from ttl.run.events import BatchStarted, Event, Note, TrialDone, TrialFailed, TrialPaused
from ttl.run.planning import plan as plan_of
from ttl.stats import ALL_METRICS
from ttl.study.folder import Study


def test_a_run_leaves_what_the_design_page_says(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {"run.json", "splits.csv", "trials", "report.json", "report.html", "model.onnx", "full.onnx"} <= names
    content = content_of(finished)
    assert content["status"] == "finished"
    for figures in (content["chosen"], content["full"]):
        assert {"cut", "index", "params", "macs", "val", "test"} <= figures.keys()
        assert set(figures["test"]) == {*ALL_METRICS} - {"kappa"}
        assert set(figures["test"]["auprc"]) == {"value", "ci_low", "ci_high"}
    assert {"strategy", "fine_tunes", "epochs", "train_macs", "seconds"} <= content["search"].keys()
    assert {"path", "precision", "parity_max_abs", "parity_metric_delta", "size_bytes"} <= content["export"].keys()
    assert content["comparison"].keys() == {"metric", "split", "margin", "non_inferior", "difference", "power"}
    row = content["latency"][0]
    expected = {"model", "runtime", "device", "batch", "threads", "p50_ms", "p90_ms", "ratio_to_full", "ratio_ci"}
    assert expected <= row.keys()
    assert all({"cut", "trials", "val", "test"} <= candidate.keys() for candidate in content["candidates"])


def test_every_trial_is_tried_once_and_kept_with_its_predictions(finished: Path) -> None:
    content = content_of(finished)
    cuts = [candidate["cut"] for candidate in content["candidates"]]
    assert len(set(cuts)) == len(cuts) == content["search"]["fine_tunes"]
    for candidate in content["candidates"]:
        trial = content_of(finished / "trials" / candidate["trials"][0], "trial.json")
        assert trial["status"] == "finished"
        assert np.shape(trial["predictions"]["val"]) == (sum(content["task"]["counts"]["val"].values()), 2)
        assert set(trial["predictions_sha256"]) == {"val"}
        assert len(trial["weights_sha256"]) == 64


def test_the_report_has_curves_confusion_calibration_and_maps_of_the_test_images(finished: Path) -> None:
    content = content_of(finished)
    networks = {"chosen", "full"} if content["chosen"]["cut"] != content["full"]["cut"] else {"full"}
    n = sum(content["task"]["counts"]["test"].values())
    for role in networks:
        (curves,) = content["curves"][role]
        assert curves["auroc"] == content[role]["test"]["auroc"]
        assert curves["positives"] + curves["negatives"] == n
        assert np.sum(content["confusion"][role]) == n
        assert sum(of["n"] for of in content["calibration"][role]["bins"]) == n
    assert content["cams"]["cases"]
    for case in content["cams"]["cases"]:
        assert set(case["files"]) == {"image", *networks}
        assert all((finished / path).read_bytes().startswith(b"\x89PNG") for path in case["files"].values())
    assert content["task"]["duplicates"]["pairs"] == 0


def test_the_exported_file_predicts_what_the_trial_predicted(finished: Path) -> None:
    content = content_of(finished)
    model = OnnxModel(finished / "model.onnx")
    assert model.contract.provenance.cut == content["chosen"]["cut"]
    assert model.contract.class_names == ("0", "1")
    metrics = model.contract.metrics["test"]
    assert {name: estimate.to_json() for name, estimate in metrics.items()} == content["chosen"]["test"]
    image = Image.fromarray(np.full((8, 8), 90, np.uint8))
    assert model.predict_images([image]).sum() == pytest.approx(1)


def test_a_trial_can_be_loaded_and_exported_by_itself(finished: Path, tmp_path: Path) -> None:
    folder = next(path for path in (finished / "trials").iterdir() if path.is_dir())
    model, bundle = load_bundle(folder)
    assert not model.training
    assert bundle.contract.provenance.network == "test_resnet"
    (record,) = export(folder, ExportConfig(), out=tmp_path / "one.onnx")
    assert (tmp_path / "one.onnx").is_file()
    assert record.parity_max_abs is not None
    assert record.parity_max_abs <= (record.parity_tolerance or 0)


def test_the_same_command_again_trains_nothing_and_says_the_same(finished: Path) -> None:
    run(tiny(finished))  # an export elsewhere was a look at the test images, which the report then has
    before = content_of(finished)
    events: list[Event] = []
    again = run(tiny(finished), watch=events.append)
    assert again.trained == 0
    assert all(event.reused for event in events if isinstance(event, TrialDone))
    assert content_of(finished) == before


def test_the_same_seed_gives_the_same_figures(finished: Path, tmp_path: Path) -> None:
    run(tiny(tmp_path / "second"))
    searched = ("chosen", "full", "candidates", "comparison", "curves", "search", "confusion", "calibration")
    first, second = content_of(finished), content_of(tmp_path / "second")
    assert timeless({key: second[key] for key in searched}) == timeless({key: first[key] for key in searched})


def test_maps_that_cannot_be_drawn_do_not_lose_the_run(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such map")

    monkeypatch.setattr(delivering, "draw_cams", broken)
    (copied / "delivered.json").unlink()
    events: list[Event] = []
    report = run(tiny(copied), watch=events.append).report
    assert report.status == "finished"
    assert report.cams is not None
    assert report.cams.missing == "no such map"
    assert Note("No Grad-CAM: no such map") in events


def test_a_folder_of_another_command_is_refused_naming_the_options(finished: Path) -> None:
    with pytest.raises(RunFolderError, match=r"made with other options \(pool, seed\)"):
        run(tiny(finished, seed=1, pool="max"))


def test_an_interrupted_search_goes_on_from_its_last_trial(tmp_path: Path) -> None:
    done: list[str] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, TrialDone):
            done.append(event.record.cut)
            if len(done) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny(tmp_path), watch=interrupt, deliver=False)
    assert content_of(tmp_path)["status"] == "unfinished"
    events: list[Event] = []
    run(tiny(tmp_path), watch=events.append, deliver=False)
    assert [event.record.cut for event in events if isinstance(event, TrialDone) and event.reused] == done


def test_a_search_over_seeds_compares_means_and_delivers_the_best(tmp_path: Path) -> None:
    report = run(tiny(tmp_path, seeds=2, select="best"), deliver=False).report
    for candidate in report.candidates:
        assert len(candidate.trials) == 2
        assert candidate.trial in candidate.trials
        assert candidate.spread is not None
        assert candidate.spread.seeds == (0, 1)
    assert report.search.fine_tunes == 2 * len(report.candidates)
    means = [one.spread.val["auprc"].mean for one in report.candidates if one.spread]
    assert report.chosen is not None
    assert report.chosen.spread is not None
    assert report.chosen.spread.val["auprc"].mean == max(means)


def test_budgets_leave_the_points_within_them(tmp_path: Path) -> None:
    options = {"max_params": "100k", "min_point": "layer1.0", "strategy": "exhaustive"}
    report = run(tiny(tmp_path, **options), deliver=False).report
    assert [name for step in report.search.steps for name in step.points] == ["layer1.0", "layer2.0"]
    assert report.full is not None
    assert report.full.cut == "layer4.0"  # what the chosen one is compared with, whatever the budget


@pytest.mark.parametrize("budget", [{"max_params": 10}, {"max_macs": "1k"}, {"min_point": "5", "max_params": "100k"}])
def test_budgets_that_leave_nothing_are_refused(budget: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No point is left to search among: the smallest from .* has .* parameters"):
        run(tiny(tmp_path, **budget))


def test_the_rule_of_choice_is_given_with_its_evidence(tmp_path: Path) -> None:
    hard = {"data": "digits", "seed": 2, "margin": 0.99, "strategy": "exhaustive", "train_fraction": 0.2}
    wide = run(tiny(tmp_path / "wide", **hard), deliver=False).report
    assert wide.chosen is not None
    assert wide.chosen.index == 1  # anything is good enough
    assert "a loss of less than 0.99" in (wide.search.reason or "")
    best = run(tiny(tmp_path / "best", **hard, select="best"), deliver=False).report
    scores = {candidate.cut: best.validation(candidate).value for candidate in best.candidates}
    assert best.chosen is not None
    assert scores[best.chosen.cut] == max(scores.values())
    assert (wide.search.select, best.search.select) == ("smallest", "best")


def test_a_plan_trains_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    planned = plan(tiny(tmp_path / "none"))
    assert planned.coarse == ("layer1.0", "layer2.0", "layer3.0", "layer4.0")
    assert planned.most_trials == 5  # layer1.0 wins: the stem is below it
    assert planned.seconds_per_epoch > 0
    assert planned.task.counts["train"] == {"0": 114, "1": 117}
    assert not (tmp_path / "none").exists()


def test_a_search_can_stay_within_the_loaded_weights(tmp_path: Path) -> None:
    state = network("test_resnet").state_dict()
    lower = {name: value for name, value in state.items() if not name.startswith(("layer3", "layer4", "fc"))}
    torch.save(lower, tmp_path / "lower.pth")
    config = tiny(tmp_path / "run", weights=str(tmp_path / "lower.pth"), within_weights=True)
    planned = plan_of(config)
    assert planned.coarse == ("layer1.0", "layer2.0")
    assert [p.name for p in planned.points if not p.is_within_weights] == ["layer3.0", "layer4.0"]
    report = run(config, deliver=False).report
    tried = {candidate.cut for candidate in report.candidates}
    assert report.chosen is not None
    assert report.chosen.cut in {"maxpool", "layer1.0", "layer2.0"}
    assert "layer4.0" in tried  # the whole network, to compare with
    assert "layer3.0" not in tried


def test_no_point_within_the_weights_is_an_error(tmp_path: Path) -> None:
    state = network("test_resnet").state_dict()
    torch.save({"conv1.0.weight": state["conv1.0.weight"]}, tmp_path / "first.pth")
    with pytest.raises(UsageError, match="--within-weights leaves no point: maxpool, the lowest"):
        plan(tiny(tmp_path / "run", weights=str(tmp_path / "first.pth"), within_weights=True))
    with pytest.raises(UsageError, match="--within-weights needs weights to stay within"):
        plan(tiny(tmp_path / "run", within_weights=True))


def test_a_fine_tune_that_breaks_is_reported_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trial_run.fit

    def broken(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if sum(parameter.numel() for parameter in model.parameters()) < 40_000:
            raise TrainingError("The training loss is nan in epoch 1")
        return real(model, *args, **kwargs)

    monkeypatch.setattr(trial_run, "fit", broken)
    events: list[Event] = []
    report = run(tiny(tmp_path / "run"), deliver=False, watch=events.append).report
    assert [(one.cut, one.cause) for one in report.failed] == [("layer1.0", "The training loss is nan in epoch 1")]
    assert TrialFailed("layer1.0", 0, "The training loss is nan in epoch 1") in events
    assert report.chosen is not None
    assert report.chosen.cut in {"layer2.0", "layer3.0", "layer4.0"}
    assert "layer1.0: The training loss is nan" in (tmp_path / "run" / "report.html").read_text()


def test_images_of_two_classes_in_a_folder_go_all_the_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(rng.normal(level, 30, (20, 24)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    events: list[Event] = []
    finished = run(tiny(tmp_path / "out", data=str(tmp_path / "data"), min_point="layer4.0"), watch=events.append)
    assert finished.report.task.class_names == ("dark", "light")
    assert any("2 classes (dark, light)" in note for note in notes_in(events))


def test_a_manifest_with_several_labels_an_image_goes_all_the_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["image,patient,dark,light"]
    for i in range(60):
        level = int(rng.integers(0, 200))
        Image.fromarray((rng.integers(0, 55, (32, 32)) + level).astype(np.uint8)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,P{i // 2},{int(level < 100)},{'' if i % 7 == 0 else int(level > 60)}")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    columns = {"label_columns": ("dark", "light"), "group_column": "patient"}
    report = run(tiny(tmp_path / "run", data=str(tmp_path / "set.csv"), min_point="layer3.0", **columns)).report
    assert report.status == "finished"
    assert report.task.kind == "multilabel"
    assert report.task.groups_shared == 0
    model = OnnxModel(tmp_path / "run" / "model.onnx")
    probabilities = model.predict_images([Image.open(tmp_path / "0.png")])
    assert probabilities.shape == (1, 2)
    assert not np.isclose(probabilities.sum(), 1)
    assert "set.csv" in (tmp_path / "run" / "run.json").read_text()


def test_oblong_images_go_all_the_way(tmp_path: Path) -> None:
    report = run(tiny(tmp_path, image_size="32x48", min_point="layer4.0")).report
    assert report.model.image_size == (32, 48)
    assert report.points[-1].shape == (96, 1, 2)
    model = OnnxModel(tmp_path / "model.onnx")
    assert model.contract.sides == (32, 48)
    assert model.predict(np.zeros((1, 1, 32, 48), np.uint8)).shape == (1, 2)


def test_cuda_that_isnt_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(TrainingError, match="--device is cuda, and there is no CUDA device here: use --device cpu"):
        run(tiny(tmp_path, device="cuda"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "test_resnett"}, "timm has no model 'test_resnett'"),
        ({"weights": "/nowhere.pt"}, "weights file /nowhere.pt doesn't exist"),
        ({"amp": "fp16", "device": "cpu"}, "--amp fp16 needs a CUDA device"),
        ({"freeze_below": "layer1.0"}, "--freeze-below is for recipes that freeze"),
        ({"recipe": "lwft", "freeze_below": "layer9"}, "layer9"),
        ({"max_params": 10}, "No point is left to search among"),
        ({"model": "unet:test_resnet", "pool": "max"}, "which a U-Net doesn't have"),
    ],
)
def test_what_is_refused_without_the_data_is_refused_before_they_are_read(
    changes: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("ttl.run.prepare"), "task_of", lambda config: pytest.fail("data were read"))
    with pytest.raises(TTLError, match=sentence):
        run(tiny(tmp_path / "run", **changes))


def test_a_folder_in_use_or_unwritable_is_refused_before_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("ttl.run.prepare"), "task_of", lambda config: pytest.fail("data were read"))
    with Study(tmp_path).held(), pytest.raises(RunFolderError, match="is in use by process"):
        run(tiny(tmp_path))
    with pytest.raises(RunFolderError, match="can't be written"):
        run(tiny(Path("/dev/null/run")))


def test_no_data_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        run(tiny(tmp_path / "out", data=str(tmp_path / "nowhere")))
    assert not (tmp_path / "out" / "run.json").exists()


def test_who_watches_hears_of_steps_and_pauses(tmp_path: Path) -> None:
    events: list[Event] = []
    config = tiny(tmp_path, epochs=2, halving=1, strategy="exhaustive", batch_size=None, lr=None)
    run(config, deliver=False, watch=events.append)
    first, second = (event for event in events if isinstance(event, BatchStarted))
    assert [due.cut for due in first.due] == POINTS
    assert [due.macs for due in first.due] == sorted(due.macs for due in first.due)
    assert (first.phase, first.max_epochs, second.max_epochs) == ("exhaustive", 1, 2)
    assert {due.cut for due in second.due} < {due.cut for due in first.due}
    between = events[events.index(first) : events.index(second)]
    assert [event.record.cut for event in between if isinstance(event, TrialPaused)] == POINTS
    assert not any(isinstance(event, TrialPaused) for event in events[events.index(second) :])
