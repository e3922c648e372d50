"""Searches that need more than fine-tunes, and fine-tunes that are stopped early, on real runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ttl.config import RunConfig
from ttl.cut.head import HEAD
from ttl.cut.truncation import truncate
from ttl.errors import RunFolderError, TrainingError
from ttl.finetune import predict
from ttl.run import EpochDone, Event, plan, run
from ttl.run.joint import joint_network, warm_start
from ttl.run.prepare import prepare
from ttl.run.trial import identity
from ttl.stats import metrics
from ttl.study.engines.engine import Trial
from ttl.study.folder import Study

TIMELESS = ("seconds", "images_per_second", "run")


def tiny(out: Path, **changes: object) -> RunConfig:
    options = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "epochs": 3}
    return RunConfig.model_validate({**options, "out": out, **changes})


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMELESS}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def record(folder: Path, trial: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "trials" / trial / "trial.json").read_text())
    return content


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("joint") / "run"
    return folder, run(tiny(folder, strategy="joint", lr=1e-3), deliver=False).report


def test_the_joint_network_says_something_of_every_point(joint: tuple[Path, dict[str, Any]]) -> None:
    _, content = joint
    assert [row["cut"] for row in content["joint"]] == [point["name"] for point in content["points"]]
    best = max(row["mean"] for row in content["joint"])
    assert all(0 <= row["mean"] <= 1 and row["se"] >= 0 for row in content["joint"])
    within = [row["cut"] for row in content["joint"] if row["mean"] >= best - row["se"]]
    assert content["search"]["steps"][0]["points"] == within[:1]  # ResNet's points grow with their depth


def test_the_epochs_of_one_fine_tune_are_shared_between_the_joint_network_and_its_cut(
    joint: tuple[Path, dict[str, Any]],
) -> None:
    folder, content = joint
    picked, *_ = [one for one in content["candidates"] if one["cut"] != content["full"]["cut"]]
    own = record(folder, picked["trial"])
    parent = record(folder, own["start"])
    assert (parent["cut"], parent["epochs"], own["epochs"]) == ("joint network", 2, 1)
    assert content["search"]["fine_tunes"] == 3
    assert content["search"]["epochs"] == 2 + 1 + 3


def test_the_same_joint_search_again_trains_nothing(joint: tuple[Path, dict[str, Any]]) -> None:
    folder, content = joint
    again = run(tiny(folder, strategy="joint", lr=1e-3), deliver=False)
    assert again.trained == 0
    assert timeless(again.report) == timeless(content)


def test_a_joint_search_that_was_stopped_ends_the_same(tmp_path: Path, joint: tuple[Path, dict[str, Any]]) -> None:
    epochs: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            epochs.append(event.row["epoch"])
            if len(epochs) in (1, 3):
                raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny(tmp_path, strategy="joint", lr=1e-3), deliver=False, watch=interrupt)
    finished = run(tiny(tmp_path, strategy="joint", lr=1e-3), deliver=False, watch=interrupt)
    assert timeless(finished.report) == timeless(joint[1])


def test_a_cut_starts_with_what_its_head_of_the_joint_network_says(joint: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = joint
    prepared = prepare(tiny(folder, strategy="joint", lr=1e-3), lambda event: None)
    study, parent = Study(folder), identity(prepared, Trial(None, 0))
    said = torch.tensor(record(folder, parent)["predictions"]["val"], dtype=torch.float64)
    spec = prepared.backbone.spec
    for number, point in enumerate(prepared.candidates):
        model = truncate(prepared.network(0), point, num_classes=2, seed=9)
        assert warm_start(model, prepared, point, study, parent) == 1
        pixels = prepared.images["val"].pixels
        own = predict(model, pixels, kind="binary", mean=spec.mean, std=spec.std)
        torch.testing.assert_close(torch.from_numpy(own), said[:, number], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_every_head_of_the_joint_network_begins_as_a_probe(tmp_path: Path, pool: str) -> None:
    # Batch norms stand still in this recipe, so what the probes were fitted on is what eval mode gives.
    prepared = prepare(tiny(tmp_path, strategy="joint", pool=pool, recipe="fc-bn"), lambda event: None)
    spec, train = prepared.backbone.spec, prepared.images["train"]
    told = {"kind": "binary", "mean": spec.mean, "std": spec.std}
    said = predict(joint_network(prepared, 0), train.pixels, **told)
    scores = [metrics("binary", train.labels, head, ("auroc",))["auroc"] for head in said.swapaxes(0, 1)]
    assert min(scores) > 0.95  # random heads rank by chance
    state = truncate(prepared.network(0), prepared.candidates[-1], num_classes=2).state_dict()
    own = joint_network(prepared, 0).state_dict()
    assert all(torch.equal(own[name], value) for name, value in state.items() if not name.startswith(HEAD))


def test_a_joint_fine_tune_without_its_weights_is_told(joint: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    prepared = prepare(tiny(tmp_path, strategy="joint"), lambda event: None)
    point = prepared.candidates[0]
    model = truncate(prepared.network(0), point, num_classes=2)
    with pytest.raises(RunFolderError, match=r"The joint fine-tune in .*nowhere can't be read"):
        warm_start(model, prepared, point, Study(tmp_path), "nowhere")


def test_joint_networks_of_several_seeds_are_averaged(tmp_path: Path) -> None:
    content = run(tiny(tmp_path, strategy="joint", seeds=2, epochs=1), deliver=False).report
    study = Study(tmp_path)
    prepared = prepare(tiny(tmp_path, strategy="joint", seeds=2, epochs=1), lambda event: None)
    each = [study.trial(identity(prepared, Trial(None, seed))) for seed in (0, 1)]
    assert all(one is not None and one["heads"] == [row["cut"] for row in content["joint"]] for one in each)
    scores = [one["curve"][one["best_epoch"] - 1]["val_auprc_of_heads"] for one in each if one]
    for row, *values in zip(content["joint"], *scores, strict=True):
        assert row["mean"] == pytest.approx(sum(values) / 2)


def test_svcca_compares_every_point_and_keeps_the_distributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"strategy": "svcca", "epochs": 1}
    content = run(tiny(tmp_path, **told), deliver=False).report
    kept = json.loads((tmp_path / "svcca.json").read_text())
    names = [point["name"] for point in content["points"]]
    assert [row["cut"] for row in kept["points"]] == [row["cut"] for row in content["svcca"]["points"]] == names
    assert kept["patches"] == 10 * kept["channels"]
    assert kept["images"] == 231
    assert all(0 <= value <= 1 for row in kept["points"] for value in row["coefficients"])
    overlaps = {row["cut"]: row["overlap"] for row in kept["points"]}
    first = next((name for name in names if overlaps[name] >= kept["threshold"]), names[-1])
    tried = {candidate["cut"] for candidate in content["candidates"]}
    assert tried == {first, names[-1]}
    monkeypatch.setattr("ttl.run.similar.Features", None)  # a second call reads what the first one kept
    assert timeless(run(tiny(tmp_path, **told), deliver=False).report) == timeless(content)


def test_features_that_fine_tuning_left_alone_are_equal_and_shuffled_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a learning rate that changes nothing every coefficient is one, at every point."""
    told = {"strategy": "svcca", "epochs": 1, "lr": 1e-12, "recipe": "fc-bn"}
    run(tiny(tmp_path, **told), deliver=False)
    kept = json.loads((tmp_path / "svcca.json").read_text())
    assert all(min(row["coefficients"]) > 0.99 for row in kept["points"])
    assert max(row["overlap"] for row in kept["points"]) == 0


def test_halving_says_what_it_stopped_and_what_that_saved(tmp_path: Path) -> None:
    told = {"strategy": "exhaustive", "halving": 1, "epochs": 4, "margin": 1e-6, "select": "best", "lr": 1e-6}
    content = run(tiny(tmp_path, **told), deliver=False).report
    stopped = content["search"]["stopped"]
    names = {row["cut"] for row in stopped["points"]}
    tried = {candidate["cut"] for candidate in content["candidates"]}
    assert names
    assert not names & tried
    assert names | tried == {point["name"] for point in content["points"]}
    assert content["full"]["cut"] in tried
    assert [step.get("epochs") for step in content["search"]["steps"]] == [1, 2, None]
    macs = {point["name"]: point["macs"] for point in content["points"]}
    saved = sum(3 * macs[row["cut"]] * 231 * (4 - row["epochs"]) for row in stopped["points"])
    assert stopped["train_macs_saved_at_most"] == saved
    again = run(tiny(tmp_path, **told), deliver=False)
    assert again.trained == 0
    assert timeless(again.report) == timeless(content)


def test_halving_that_was_stopped_ends_the_same(tmp_path: Path) -> None:
    told = {"strategy": "exhaustive", "halving": 1, "epochs": 4, "margin": 1e-6, "lr": 1e-6}
    undisturbed = run(tiny(tmp_path / "whole", **told), deliver=False).report
    seen: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            seen.append(event.row["epoch"])
            if len(seen) in (2, 6, 8):
                raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(tiny(tmp_path / "parted", **told), deliver=False, watch=interrupt)
    content = run(tiny(tmp_path / "parted", **told), deliver=False, watch=interrupt).report
    assert timeless(content) == timeless(undisturbed)


def test_a_joint_network_that_breaks_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss is"):
        run(tiny(tmp_path, strategy="joint", lr=1e30), deliver=False)


@pytest.mark.parametrize(
    ("strategy", "begins", "most"), [("joint", "one fine-tune with a head at every point", 3), ("svcca", "layer4.0", 2)]
)
def test_a_plan_knows_what_a_cheap_search_costs(tmp_path: Path, strategy: str, begins: str, most: int) -> None:
    planned = plan(tiny(tmp_path, strategy=strategy))
    assert (planned.begins, planned.most_trials) == (begins, most)
