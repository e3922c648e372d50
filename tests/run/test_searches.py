"""Searches that need more than fine-tunes, and fine-tunes that are stopped early, on real runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from toy_runs import POINTS, content_of, notes_in, timeless, tiny
from ttl.cut.head import HEAD
from ttl.errors import RunFolderError, TrainingError
from ttl.run import plan, produced, run
from ttl.run.context import RunContext, context_of
from ttl.run.events import EpochDone, Event
from ttl.run.prepare import prepare
from ttl.run.trial_run import beginning, predictions
from ttl.search.candidates import Joint
from ttl.stats import metrics
from ttl.study.folder import Study
from ttl.study.trial import Trial

JOINT = {"strategy": "joint", "lr": 1e-3, "epochs": 3}


def context(folder: Path, **options: object) -> RunContext:
    return context_of(prepare(tiny(folder, **options), lambda event: None), Study(folder))


def joint_of(of: RunContext) -> Joint:
    return Joint(of.setting.network.name, tuple(candidate.point for candidate in of.setting.candidates))


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint") / "run"
    run(tiny(folder, **JOINT), deliver=False)
    return folder


def test_the_joint_network_says_something_of_every_point(joint: Path) -> None:
    content = content_of(joint)
    assert [row["cut"] for row in content["joint"]] == POINTS
    best = max(row["mean"] for row in content["joint"])
    assert all(0 <= row["mean"] <= 1 and row["se"] >= 0 for row in content["joint"])
    within = [row["cut"] for row in content["joint"] if row["mean"] >= best - row["se"]]
    assert content["search"]["steps"][0]["points"] == within[:1]  # ResNet's points grow with their depth


def test_a_cut_has_as_many_epochs_as_the_whole_network_whatever_the_joint_network_had(joint: Path) -> None:
    content = content_of(joint)
    picked, *_ = [one for one in content["candidates"] if one["cut"] != content["full"]["cut"]]
    own = content_of(joint / "trials" / picked["trial"], "trial.json")
    parent = content_of(joint / "trials" / own["start"], "trial.json")
    assert (parent["cut"], parent["epochs"], own["epochs"]) == ("joint network", 2, 3)
    assert content["search"]["fine_tunes"] == 3
    assert content["search"]["epochs"] == 2 + 3 + 3


def test_the_same_joint_search_again_trains_nothing(joint: Path) -> None:
    before = content_of(joint)
    assert run(tiny(joint, **JOINT), deliver=False).trained == 0
    assert content_of(joint) == before


def test_a_damaged_joint_network_is_fine_tuned_again(joint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(joint, tmp_path / "copied"))
    (weights,) = folder.glob("trials/*/joint.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    events: list[Event] = []
    assert run(tiny(folder, **JOINT), deliver=False, watch=events.append).trained == 1
    assert any(note.startswith(f"{weights} is damaged or gone") for note in notes_in(events))
    assert weights.read_bytes() == whole


def test_a_joint_search_that_was_stopped_ends_the_same(tmp_path: Path, joint: Path) -> None:
    epochs: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            epochs.append(event.epoch.epoch)
            if len(epochs) in (1, 3):
                raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny(tmp_path, **JOINT), deliver=False, watch=interrupt)
    run(tiny(tmp_path, **JOINT), deliver=False, watch=interrupt)
    assert timeless(content_of(tmp_path)) == timeless(content_of(joint))


def test_a_cut_starts_with_what_its_head_of_the_joint_network_says(joint: Path) -> None:
    own = context(joint, **JOINT)
    start = joint_of(own)
    record = own.study.trial(own.setting.trial_id(Trial(start, 0)))
    assert record is not None
    for number, candidate in enumerate(own.setting.candidates):
        begun = beginning(own, Trial(candidate, 0, start=start))
        assert begun.settings.epochs == 3
        assert begun.settings.keeps_start
        rows = predictions(own, begun.model, "val", candidate.top)
        torch.testing.assert_close(
            torch.from_numpy(rows), torch.from_numpy(record.predictions["val"][:, number]), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_every_head_of_the_joint_network_begins_as_a_probe(tmp_path: Path, pool: str) -> None:
    # Batch norms stand still in this recipe, so what the probes were fitted on is what eval mode gives.
    own = context(tmp_path, strategy="joint", pool=pool, recipe="fc-bn")
    start = joint_of(own)
    model = beginning(own, Trial(start, 0)).model
    rows = predictions(own, model, "train", start.top)
    labels = own.setting.task.train.labels
    scores = [metrics("binary", labels, head, ("auroc",))["auroc"] for head in rows.swapaxes(0, 1)]
    assert min(scores) > 0.9  # random heads rank by chance
    whole = beginning(own, Trial(own.setting.candidates[-1], 0)).model.state_dict()
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in whole.items() if not name.startswith(HEAD))


def test_a_joint_fine_tune_without_its_weights_is_named(tmp_path: Path) -> None:
    own = context(tmp_path, strategy="joint")
    with pytest.raises(RunFolderError, match=r"The joint fine-tune in .*trials/.* can't be read"):
        beginning(own, Trial(own.setting.candidates[0], 0, start=joint_of(own)))


def test_joint_networks_of_several_seeds_are_averaged(tmp_path: Path) -> None:
    options = {"strategy": "joint", "seeds": 2}
    report = run(tiny(tmp_path, **options), deliver=False).report
    own = context(tmp_path, **options)
    records = [own.study.trial(own.setting.trial_id(Trial(joint_of(own), seed))) for seed in (0, 1)]
    assert all(record is not None and list(record.heads) == POINTS for record in records)
    scores = [record.curve[record.best_epoch - 1].of_heads["auprc"] for record in records if record]
    for look, *values in zip(report.joint, *scores, strict=True):
        assert look.mean == pytest.approx(sum(values) / 2)


def test_a_joint_network_that_breaks_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss is"):
        run(tiny(tmp_path, strategy="joint", lr=1e30), deliver=False)


def test_svcca_compares_every_point_and_keeps_the_distributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"strategy": "svcca"}
    report = run(tiny(tmp_path, **options), deliver=False).report
    kept = content_of(tmp_path, "svcca.json")
    assert [row["cut"] for row in kept["points"]] == [row.cut for row in report.svcca.points] == POINTS
    assert all(0 <= value <= 1 for row in kept["points"] for value in row["coefficients"])
    assert kept["size"]["patches"] == 10 * kept["size"]["channels"]
    assert kept["size"]["images"] == 231
    overlaps = {row.cut: row.overlap for row in report.svcca.points}
    first = next((name for name in POINTS if overlaps[name] >= report.svcca.threshold), POINTS[-1])
    assert {candidate.cut for candidate in report.candidates} == {first, POINTS[-1]}
    before = content_of(tmp_path)
    monkeypatch.setattr(produced, "similarities", None)  # a second call reads what the first one kept
    run(tiny(tmp_path, **options), deliver=False)
    assert content_of(tmp_path) == before


def test_features_that_fine_tuning_left_alone_are_equal_at_every_point(tmp_path: Path) -> None:
    """With a learning rate that changes nothing every coefficient is one."""
    run(tiny(tmp_path, strategy="svcca", lr=1e-12, recipe="fc-bn"), deliver=False)
    kept = content_of(tmp_path, "svcca.json")
    assert all(min(row["coefficients"]) > 0.99 for row in kept["points"])
    assert max(row["overlap"] for row in content_of(tmp_path)["svcca"]["points"]) == 0


def test_a_run_probes_all_points_once_and_fine_tunes_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    report = run(tiny(tmp_path, strategy="probe"), deliver=False, watch=events.append).report
    assert [look.cut for look in report.probe] == POINTS
    assert all(0 <= look.mean <= 1 and look.se >= 0 for look in report.probe)
    assert report.search.fine_tunes <= 2
    assert any(note.startswith("Probing 5 points") for note in notes_in(events))
    monkeypatch.setattr(produced, "probe_curve", None)
    assert run(tiny(tmp_path, strategy="probe"), deliver=False).report.probe == report.probe
    assert content_of(tmp_path, "probe.json")["curve"] == content_of(tmp_path)["probe"]


HALVING: dict[str, Any] = {"strategy": "exhaustive", "halving": 1, "epochs": 4, "margin": 1e-6, "lr": 1e-6}


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halving") / "run"
    run(tiny(folder, **HALVING), deliver=False)
    return folder


def test_halving_says_what_it_stopped_and_what_that_saved(halved: Path) -> None:
    content = content_of(halved)
    stopped = content["search"]["stopped"]
    names = {row["cut"] for row in stopped["points"]}
    tried = {candidate["cut"] for candidate in content["candidates"]}
    assert names
    assert not names & tried
    assert names | tried == set(POINTS)
    assert content["full"]["cut"] in tried
    assert [step.get("epochs") for step in content["search"]["steps"]] == [1, 2, None]
    macs = {point["name"]: point["macs"] for point in content["points"]}
    saved = sum(3 * macs[row["cut"]] * 231 * (4 - row["epochs"]) for row in stopped["points"])
    assert stopped["train_macs_saved_at_most"] == saved
    assert run(tiny(halved, **HALVING), deliver=False).trained == 0
    assert content_of(halved) == content


def test_halving_that_was_stopped_ends_the_same(halved: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            seen.append(event.epoch.epoch)
            if len(seen) in (2, 6, 8):
                raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(tiny(tmp_path, **HALVING), deliver=False, watch=interrupt)
    run(tiny(tmp_path, **HALVING), deliver=False, watch=interrupt)
    assert timeless(content_of(tmp_path)) == timeless(content_of(halved))


@pytest.mark.parametrize(
    ("strategy", "begins", "most"),
    [
        ("joint", "one fine-tune with a head at every point", 3),
        ("svcca", "layer4.0", 2),
        ("probe", "a probe of all points", 2),
    ],
)
def test_a_plan_knows_what_a_cheap_search_costs(tmp_path: Path, strategy: str, begins: str, most: int) -> None:
    planned = plan(tiny(tmp_path, strategy=strategy))
    assert (planned.begins, planned.most_trials) == (begins, most)
