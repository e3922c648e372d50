"""Fine-tunes at one point: how they go on, what recipes and options make of them, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toy_runs import content_of, notes_in, squares, timeless, tiny, tiny_unet
from ttl.data import decode, load_task
from ttl.data.modality.resizing import Fit
from ttl.errors import TTLError, UsageError
from ttl.export.bundle import load_bundle
from ttl.finetune import resume
from ttl.run import finetune, plan, track
from ttl.run.events import EpochDone, Event, TrialStarted
from ttl.study.folder import Study
from ttl.typed import to_json


def test_a_fine_tune_that_was_stopped_goes_on_from_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "LARGEST_SHARE", math.inf)  # a garbage collection while saving mustn't skip an epoch

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch.epoch == 2:
            raise KeyboardInterrupt

    options = {"epochs": 4, "recipe": "fc-then-bn"}
    with pytest.raises(KeyboardInterrupt):
        finetune(tiny(tmp_path / "stopped", **options), "layer1.0", watch=interrupt)
    events: list[Event] = []
    continued = finetune(tiny(tmp_path / "stopped", **options), "layer1.0", watch=events.append)
    assert [event.epochs_done for event in events if isinstance(event, TrialStarted)] == [2]
    assert [event.epoch.epoch for event in events if isinstance(event, EpochDone)] == [3, 4]
    undisturbed = finetune(tiny(tmp_path / "whole", **options), "layer1.0")
    assert timeless(to_json(continued.record)) == timeless(to_json(undisturbed.record))
    assert not list((tmp_path / "stopped" / "trials").glob(".*"))


def test_a_recipe_with_two_phases_leaves_its_weights(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path, recipe="bn", epochs=2), "layer2.0")
    assert tuned.record.cut == "layer2.0"
    assert [epoch.phase for epoch in tuned.record.curve] == ["head", "head+bn"]
    assert (tuned.folder / "model.safetensors").is_file()


def test_one_process_of_several_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = finetune(tiny(tmp_path / "other"), "layer1.0").record
    monkeypatch.setenv("RANK", "1")
    study = Study(tmp_path / "run")
    with study.held():
        study.write("run.json", record)
        study.add(record, lambda folder: folder / "none")
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--track tensorboard needs tensorboard: pip install 'ttl\[tensorboard\]'"):
        finetune(tiny(tmp_path, track="tensorboard"), "layer1.0")


def test_an_augmentation_wins_over_the_recipes(tmp_path: Path) -> None:
    assert finetune(tiny(tmp_path / "a", augment="none"), "layer1.0").record.curve[0].train_loss > 0
    assert content_of(tmp_path / "a", "run.json")["resolved"]["recipe"]["augment"] == "none"
    with pytest.raises(UsageError, match="There is no augmentation 'blur'"):
        finetune(tiny(tmp_path / "b", augment="blur"), "layer1.0")


def test_seeds_repeat_the_fine_tune_on_one_split(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path, seed=4, seeds=3), "layer1.0", test=True)
    records = tuned.runs.records
    assert [record.seed for record in records] == [4, 5, 6]
    assert len({record.id for record in records}) == 3
    losses = [record.curve[0].train_loss for record in records]
    assert len(set(losses)) == 3
    spread = tuned.runs.spread(tuned.tested)
    assert spread is not None
    values = [tuned.tested[record.id].figures["ece"].value for record in records]
    assert spread.seeds == (4, 5, 6)
    assert spread.test["ece"].mean == pytest.approx(np.mean(values))
    assert spread.test["ece"].sd == pytest.approx(np.std(values, ddof=1))
    assert tuned.record is records[int(np.argmax([record.val["auprc"].value for record in records]))]
    # Random weights differ from seed to seed too: the network is drawn anew for each.
    assert finetune(tiny(tmp_path / "one", seed=4), "layer1.0").record.curve[0].train_loss == losses[0]


def test_a_cut_can_be_finished_with_the_next_norm(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path / "a", model="resnetv2_18", finish="norm"), "stages.0.blocks.0")
    plain = finetune(tiny(tmp_path / "b", model="resnetv2_18"), "stages.0.blocks.0").record
    assert tuned.record.params == plain.params + 2 * 64
    model, bundle = load_bundle(tuned.folder)
    assert bundle.point.is_finished
    assert any(name.startswith("stages.0.blocks.1.norm1") for name in model.state_dict())


@pytest.mark.parametrize(("recipe", "below"), [("lwft", "layer1.0"), ("freeze-below", "1")])
def test_layers_below_a_point_can_be_frozen(tmp_path: Path, recipe: str, below: str) -> None:
    tuned = finetune(tiny(tmp_path / "run", recipe=recipe, freeze_below=below), "layer2.0")
    model, _ = load_bundle(tuned.folder)
    assert tuned.record.trainable["above"] < tuned.record.params + sum(p.numel() for p in model.ttl_head.parameters())


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
    events: list[Event] = []
    config = tiny(tmp_path / "run", recipe="fc-bn-rnd", weights="default")
    finetune(config, "layer1.0", watch=events.append)
    assert any("random weights" in note for note in notes_in(events))
    assert any(n.startswith("Recipe fc-bn-rnd: the head and scale and shift of batch norms") for n in notes_in(events))


def test_what_a_crop_leaves_out_reaches_neither_training_nor_the_file(tmp_path: Path) -> None:
    """The classes differ at the right edge alone: squashed they can be told apart, in the middle not."""
    rng = np.random.default_rng(0)
    for label, grey in (("dark", 0), ("white", 255)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(60, 190, (24, 72), dtype=np.uint8)
            pixels[:, 60:] = grey
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{i}.png")
    edges = [pixels_of_edges(tmp_path / "data", fit) for fit in ("squash", "crop", "pad")]
    assert [len(seen) for seen in edges] == [2, 1, 2]
    tuned = {
        fit: finetune(tiny(tmp_path / fit, data=str(tmp_path / "data"), fit=fit), "layer1.0") for fit in ("crop", "pad")
    }
    assert {fit: load_bundle(each.folder)[1].contract.decoding.fit for fit, each in tuned.items()} == {
        "crop": "crop",
        "pad": "pad",
    }
    assert tuned["crop"].record.id != tuned["pad"].record.id


def pixels_of_edges(data: Path, fit: Fit) -> set[bool]:
    """Whether the right edge that the network sees is brighter than 200, over both classes."""
    images = decode(load_task(data).train, image_size=24, fit=fit)[:, 0, 8:16, -2:].float()
    return set((images.mean(dim=(1, 2)) > 200).tolist())


def test_images_with_masks_are_not_made_to_fit(tmp_path: Path) -> None:
    config = tiny_unet(squares(tmp_path / "data"), tmp_path / "run", fit="crop")
    with pytest.raises(UsageError, match="--fit crop is for classifiers: images with masks keep their size"):
        finetune(config, "encoder.model.layer1.0")
