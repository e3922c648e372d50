from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from toy_networks import network
from ttl.config import RunConfig
from ttl.errors import DataError, RunFolderError, TrainingError, TTLError, UsageError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.export.run import OnnxModel
from ttl.finetune import resume
from ttl.run import (
    BatchStarted,
    EpochDone,
    Event,
    Note,
    TrialDone,
    TrialFailed,
    TrialPaused,
    TrialStarted,
    export,
    finetune,
    job,
    plan,
    run,
    trial,
)
from ttl.stats import ALL_METRICS
from ttl.study.folder import Study

TIMELESS = ("seconds", "images_per_second", "latency", "started", "run")


def tiny(out: Path, **changes: object) -> RunConfig:
    """Two digits, the smallest ResNet, one epoch."""
    options = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "epochs": 1}
    options |= {"strategy": "two-stage"}
    return RunConfig.model_validate({**options, "out": out, **changes})


def without_times(content: object) -> object:
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMELESS}
    return [without_times(value) for value in content] if isinstance(content, list) else content


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "first"
    run(tiny(folder))
    return folder


def test_a_run_leaves_what_the_design_page_says(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {"run.json", "splits.csv", "trials", "report.json", "report.html", "model.onnx", "full.onnx"} <= names
    content = json.loads((finished / "report.json").read_text())
    assert content["status"] == "finished"
    for figures in (content["chosen"], content["full"]):
        assert {"cut", "index", "params", "macs", "val", "test"} <= figures.keys()
        assert set(figures["test"]) == set(ALL_METRICS)
        assert set(figures["test"]["auprc"]) == {"value", "ci_low", "ci_high"}
    assert {"strategy", "fine_tunes", "epochs", "train_macs", "seconds"} <= content["search"].keys()
    assert {"path", "precision", "parity_max_abs", "parity_metric_delta", "size_bytes"} <= content["export"].keys()
    assert content["comparison"].keys() == {"metric", "split", "margin", "non_inferior", "difference"}
    row = content["latency"][0]
    expected = {"model", "runtime", "device", "batch", "threads", "p50_ms", "p90_ms", "ratio_to_full", "ratio_ci"}
    assert expected <= row.keys()
    assert all({"cut", "trials", "val", "test"} <= candidate.keys() for candidate in content["candidates"])


def test_every_trial_is_tried_once_and_kept_with_its_predictions(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    cuts = [candidate["cut"] for candidate in content["candidates"]]
    assert len(set(cuts)) == len(cuts) == content["search"]["fine_tunes"]
    for candidate in content["candidates"]:
        trial = json.loads((finished / "trials" / candidate["trials"][0] / "trial.json").read_text())
        assert trial["status"] == "finished"
        assert np.shape(trial["predictions"]["test"]) == (sum(content["task"]["counts"]["test"].values()), 2)


def test_the_report_has_curves_confusion_calibration_and_maps_of_the_test_images(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
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


def test_maps_that_cannot_be_drawn_do_not_lose_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such map")

    monkeypatch.setattr(job, "draw_cams", broken)
    events: list[Event] = []
    content = run(tiny(tmp_path, min_point="layer4.0"), watch=events.append).report
    assert (content["status"], content["cams"]) == ("finished", {"missing": "no such map"})
    assert Note("No Grad-CAM: no such map") in events


def test_a_folder_of_an_older_version_is_given_its_maps_without_a_new_export(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "older"))
    delivered = json.loads((folder / "delivered.json").read_text())
    expected = delivered.pop("cams")
    (folder / "delivered.json").write_text(json.dumps(delivered))
    shutil.rmtree(folder / "cams")
    before = (folder / "model.onnx").stat().st_mtime_ns
    assert run(tiny(folder)).report["cams"] == expected
    assert (folder / expected["cases"][0]["files"]["image"]).is_file()
    assert (folder / "model.onnx").stat().st_mtime_ns == before


def test_the_same_command_again_trains_nothing_and_says_the_same(finished: Path) -> None:
    before = json.loads((finished / "report.json").read_text())
    events: list[Event] = []
    again = run(tiny(finished), watch=events.append)
    assert again.trained == 0
    assert all(event.reused for event in events if isinstance(event, TrialDone))
    assert json.loads((finished / "report.json").read_text()) == before


def test_the_same_seed_gives_the_same_figures(finished: Path, tmp_path: Path) -> None:
    again = run(tiny(tmp_path / "second")).report
    first = json.loads((finished / "report.json").read_text())
    assert without_times(json.loads(json.dumps(again))) == without_times(first)


def test_a_folder_of_another_command_is_refused_naming_the_options(finished: Path) -> None:
    with pytest.raises(RunFolderError, match=r"made with other options \(pool, seed\)"):
        run(tiny(finished, seed=1, pool="max"))


def test_an_interrupted_search_goes_on_from_its_last_trial(tmp_path: Path) -> None:
    done: list[str] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, TrialDone):
            done.append(event.record["cut"])
            if len(done) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny(tmp_path), watch=interrupt, deliver=False)
    unfinished = json.loads((tmp_path / "report.json").read_text())
    assert unfinished["status"] == "unfinished"
    events: list[Event] = []
    run(tiny(tmp_path), watch=events.append, deliver=False)
    reused = [event.record["cut"] for event in events if isinstance(event, TrialDone) and event.reused]
    assert reused == done


def test_a_fine_tune_that_was_stopped_goes_on_from_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "LARGEST_SHARE", math.inf)  # a garbage collection while saving mustn't skip an epoch

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone) and event.row["epoch"] == 2:
            raise KeyboardInterrupt

    told = {"epochs": 4, "recipe": "fc-then-bn"}
    with pytest.raises(KeyboardInterrupt):
        finetune(tiny(tmp_path / "stopped", **told), "layer1.0", watch=interrupt)
    events: list[Event] = []
    continued = finetune(tiny(tmp_path / "stopped", **told), "layer1.0", watch=events.append)
    assert [event.epochs_done for event in events if isinstance(event, TrialStarted)] == [2]
    assert [event.row["epoch"] for event in events if isinstance(event, EpochDone)] == [3, 4]
    undisturbed = finetune(tiny(tmp_path / "whole", **told), "layer1.0")
    assert without_times(continued.record) == without_times(undisturbed.record)
    assert not list((tmp_path / "stopped" / "trials").glob(".*"))


def test_one_process_of_several_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    study = Study(tmp_path / "run")
    with study.held():
        study.write("report.json", {})
        study.add("trial", {}, lambda folder: None)
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttl.run.track.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--track tensorboard needs tensorboard: pip install 'ttl\[tensorboard\]'"):
        finetune(tiny(tmp_path, track="tensorboard"), "layer1.0")


def test_an_augmentation_wins_over_the_recipes(tmp_path: Path) -> None:
    assert finetune(tiny(tmp_path / "a", augment="none"), "layer1.0").record["curve"][0]["train_loss"] > 0
    options = json.loads((tmp_path / "a" / "run.json").read_text())["resolved"]
    assert options["recipe"]["augment"] == "none"
    with pytest.raises(UsageError, match="There is no augmentation 'blur'"):
        finetune(tiny(tmp_path / "b", augment="blur"), "layer1.0")


def test_the_exported_file_predicts_what_the_trial_predicted(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    model = OnnxModel(finished / "model.onnx")
    assert model.contract.provenance.cut == content["chosen"]["cut"]
    assert model.contract.class_names == ("0", "1")
    metrics = model.contract.metrics["test"]
    assert {name: found.to_json() for name, found in metrics.items()} == content["chosen"]["test"]
    image = Image.fromarray(np.full((8, 8), 90, np.uint8))
    assert model.predict_images([image]).sum() == pytest.approx(1)


def test_a_trial_can_be_loaded_and_exported_by_itself(finished: Path, tmp_path: Path) -> None:
    folder = next(path for path in (finished / "trials").iterdir() if path.is_dir())
    model, bundle = load_bundle(folder)
    assert not model.training
    assert bundle.contract.provenance.network == "resnet10t"
    (record,) = export(folder, ExportConfig(), out=tmp_path / "one.onnx")
    assert (tmp_path / "one.onnx").is_file()
    assert record.parity_max_abs <= record.parity_tolerance


def test_finetune_runs_one_point(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path, recipe="bn", epochs=2), "layer2.0")
    folder, record = tuned.folder, tuned.record
    assert record["cut"] == "layer2.0"
    assert [row["phase"] for row in record["curve"]] == ["head", "head+bn"]
    assert (folder / "model.safetensors").is_file()


def test_seeds_repeat_the_fine_tune_on_one_split(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path, seed=4, seeds=3), "layer1.0")
    records = tuned.repeats.records
    assert [record["seed"] for record in records] == [4, 5, 6]
    assert len({record["id"] for record in records}) == 3
    losses = [record["curve"][0]["train_loss"] for record in records]
    assert len(set(losses)) == 3
    spread = tuned.repeats.spread()
    values = [record["test"]["ece"]["value"] for record in records]
    assert spread["seeds"] == [4, 5, 6]
    assert spread["test"]["ece"]["mean"] == pytest.approx(np.mean(values))
    assert spread["test"]["ece"]["sd"] == pytest.approx(np.std(values, ddof=1))
    scores = [record["val"]["auprc"]["value"] for record in records]
    assert tuned.record is records[int(np.argmax(scores))]
    # Random weights differ from seed to seed too: the network is drawn anew for each.
    assert finetune(tiny(tmp_path / "one", seed=4), "layer1.0").record["curve"][0]["train_loss"] == losses[0]


def test_a_search_over_seeds_compares_means_and_delivers_the_best(tmp_path: Path) -> None:
    content = run(tiny(tmp_path, seeds=2), deliver=False).report
    for candidate in content["candidates"]:
        assert len(candidate["trials"]) == 2
        assert candidate["trial"] in candidate["trials"]
        assert candidate["spread"]["seeds"] == [0, 1]
    assert content["search"]["fine_tunes"] == 2 * len(content["candidates"])
    best = max(candidate["spread"]["val"]["auprc"]["mean"] for candidate in content["candidates"])
    assert content["chosen"]["spread"]["val"]["auprc"]["mean"] == best


def test_budgets_leave_the_points_within_them(tmp_path: Path) -> None:
    told = {"max_params": "300k", "min_point": "layer1.0", "strategy": "exhaustive"}
    content = run(tiny(tmp_path, **told), deliver=False).report
    searched = [name for step in content["search"]["steps"] for name in step["points"]]
    lowest = next(point["index"] for point in content["points"] if point["name"] == "layer1.0")
    within = [p["name"] for p in content["points"] if p["index"] >= lowest and p["params"] <= 300_000]
    assert searched == within
    assert "layer1.0" in searched
    assert "layer4.0" not in searched
    assert content["full"]["cut"] == "layer4.0"  # what the chosen one is compared with, whatever the budget


@pytest.mark.parametrize("budget", [{"max_params": 10}, {"max_macs": "1k"}, {"min_point": 5, "max_params": "1M"}])
def test_budgets_that_leave_nothing_are_refused(budget: dict[str, Any], tmp_path: Path) -> None:
    budget = {key: str(value) if key == "min_point" else value for key, value in budget.items()}
    with pytest.raises(UsageError, match=r"No point is left to search among: the smallest from .* has .* parameters"):
        run(tiny(tmp_path, **budget))


def test_the_rule_of_choice_is_told_with_its_evidence(tmp_path: Path) -> None:
    wide = run(tiny(tmp_path / "wide", margin=0.99, strategy="exhaustive"), deliver=False).report
    assert wide["chosen"]["index"] == 1  # anything is good enough
    assert "a loss of less than 0.99" in wide["search"]["reason"]
    best = run(tiny(tmp_path / "best", margin=0.99, strategy="exhaustive", select="best"), deliver=False).report
    scores = {c["cut"]: c["val"]["auprc"]["value"] for c in best["candidates"]}
    assert scores[best["chosen"]["cut"]] == max(scores.values())
    assert (wide["search"]["select"], best["search"]["select"]) == ("smallest", "best")


def test_a_plan_trains_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    planned = plan(tiny(tmp_path / "none"))
    assert planned.coarse == ("layer1.0", "layer2.0", "layer3.0", "layer4.0")
    assert planned.most_trials == 5  # layer1.0 wins: the stem is below it
    assert planned.seconds_per_epoch > 0
    assert planned.task["counts"]["train"] == {"0": 114, "1": 117}
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def lower_part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that holds the network up to its second stage alone."""
    path = tmp_path_factory.mktemp("weights") / "lower.pth"
    state = network("resnet10t").state_dict()
    torch.save({name: value for name, value in state.items() if not name.startswith(("layer3", "layer4", "fc"))}, path)
    return path


def test_a_search_can_be_told_to_stay_within_the_loaded_weights(tmp_path: Path, lower_part: Path) -> None:
    config = tiny(tmp_path / "run", weights=str(lower_part), within_weights=True)
    planned = plan(config)
    assert planned.coarse == ("layer1.0", "layer2.0")
    assert [p.name for p in planned.points if not p.is_within_weights] == ["layer3.0", "layer4.0"]
    content = run(config, deliver=False).report
    tried = {candidate["cut"] for candidate in content["candidates"]}
    assert content["chosen"]["cut"] in {"maxpool", "layer1.0", "layer2.0"}
    assert "layer4.0" in tried  # the whole network, to compare with
    assert "layer3.0" not in tried


def test_no_point_within_the_weights_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "first.pth"
    state = network("resnet10t").state_dict()
    torch.save({"conv1.0.weight": state["conv1.0.weight"]}, path)
    with pytest.raises(UsageError, match="--within-weights leaves no point: maxpool, the lowest"):
        plan(tiny(tmp_path / "run", weights=str(path), within_weights=True))
    with pytest.raises(UsageError, match="--within-weights needs weights to stay within"):
        plan(tiny(tmp_path / "run", within_weights=True))


def test_a_cut_can_be_finished_with_the_next_norm(tmp_path: Path) -> None:
    changes = {"model": "resnetv2_50", "image_size": 32}
    tuned = finetune(tiny(tmp_path / "a", finish="norm", **changes), "stages.0.blocks.0")
    folder, record = tuned.folder, tuned.record
    plain = finetune(tiny(tmp_path / "b", **changes), "stages.0.blocks.0").record
    assert record["params"] == plain["params"] + 2 * 256
    model, bundle = load_bundle(folder)
    assert bundle.point.is_finished
    assert any(name.startswith("stages.0.blocks.1.norm1") for name in model.state_dict())


def test_a_fine_tune_that_breaks_is_told_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trial.fit

    def broken(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if sum(p.numel() for p in model.parameters()) < 150_000:
            raise TrainingError("The training loss is nan in epoch 1")
        return real(model, *args, **kwargs)

    monkeypatch.setattr(trial, "fit", broken)
    events: list[Event] = []
    content = run(tiny(tmp_path / "run"), deliver=False, watch=events.append).report
    assert content["failed"] == [{"cut": "layer1.0", "cause": "The training loss is nan in epoch 1"}]
    assert TrialFailed("layer1.0", 0, "The training loss is nan in epoch 1") in events
    assert content["chosen"]["cut"] in {"layer2.0", "layer3.0", "layer4.0"}
    assert "layer1.0: The training loss is nan" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("recipe", "below"), [("lwft", "layer1.0"), ("freeze-below", "1")])
def test_layers_below_a_point_can_be_frozen(tmp_path: Path, recipe: str, below: str) -> None:
    tuned = finetune(tiny(tmp_path / "run", recipe=recipe, freeze_below=below), "layer2.0")
    folder, record = tuned.folder, tuned.record
    model, _ = load_bundle(folder)
    assert record["trainable"]["above"] < record["params"] + sum(p.numel() for p in model.ttl_head.parameters())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"recipe": "lwft"}, "--recipe lwft needs --freeze-below POINT"),
        ({"recipe": "full", "freeze_below": "layer1.0"}, "--freeze-below is for recipes that freeze"),
        ({"recipe": "lwft", "freeze_below": "layer9"}, "no truncation point 'layer9'"),
    ],
)
def test_a_freeze_point_that_makes_no_sense_is_an_error(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(TTLError, match=sentence):
        plan(tiny(tmp_path / "run", **changes))


def test_a_recipe_may_start_from_a_random_network(tmp_path: Path) -> None:
    notes: list[str] = []
    config = tiny(tmp_path / "run", recipe="fc-bn-rnd", weights="default")
    finetune(config, "layer1.0", watch=lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    assert any("random weights" in note for note in notes)
    assert any(note.startswith("Recipe fc-bn-rnd: the head and scale and shift of batch norms") for note in notes)


def test_images_of_two_classes_in_a_folder_go_all_the_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(rng.normal(level, 30, (20, 24)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    notes: list[str] = []
    finished = run(
        tiny(tmp_path / "out", data=str(tmp_path / "data")),
        watch=lambda event: notes.append(event.text) if isinstance(event, Note) else None,
    )
    assert finished.report["task"]["class_names"] == ["dark", "light"]
    assert any("2 classes (dark, light)" in note for note in notes)


def test_a_manifest_with_several_labels_an_image_goes_all_the_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["image,patient,dark,light"]
    for i in range(60):
        level = int(rng.integers(0, 200))
        Image.fromarray((rng.integers(0, 55, (32, 32)) + level).astype(np.uint8)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,P{i // 2},{int(level < 100)},{'' if i % 7 == 0 else int(level > 60)}")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    labels = ("dark", "light")
    config = tiny(tmp_path / "run", data=str(tmp_path / "set.csv"), label_columns=labels, group_column="patient")
    content = run(config).report
    assert content["status"] == "finished"
    assert content["task"]["kind"] == "multilabel"
    assert content["task"]["groups_shared"] == 0
    found = OnnxModel(tmp_path / "run" / "model.onnx")
    probabilities = found.predict_images([Image.open(tmp_path / "0.png")])
    assert probabilities.shape == (1, 2)
    assert not np.isclose(probabilities.sum(), 1)
    assert "set.csv" in (tmp_path / "run" / "run.json").read_text()


def test_cuda_that_isnt_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(TrainingError, match="--device is cuda, and there is no CUDA device here: use --device cpu"):
        run(tiny(tmp_path, device="cuda"))


def test_no_data_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        run(tiny(tmp_path / "out", data=str(tmp_path / "nowhere")))
    assert not (tmp_path / "out" / "run.json").exists()


def test_who_watches_is_told_of_steps_and_pauses(tmp_path: Path) -> None:
    events: list[Event] = []
    run(tiny(tmp_path, epochs=2, halving=1, strategy="exhaustive"), deliver=False, watch=events.append)
    first, second = (event for event in events if isinstance(event, BatchStarted))
    assert [due.cut for due in first.due] == ["maxpool", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]
    assert [due.macs for due in first.due] == sorted(due.macs for due in first.due)
    assert (first.phase, first.max_epochs, second.max_epochs) == ("exhaustive", 1, 2)
    assert {due.cut for due in second.due} < {due.cut for due in first.due}
    between = events[events.index(first) : events.index(second)]
    assert [event.record["cut"] for event in between if isinstance(event, TrialPaused)] == [d.cut for d in first.due]
    assert not any(isinstance(event, TrialPaused) for event in events[events.index(second) :])
