"""A fine-tune that was stopped anywhere and continued ends with the same weights as one that wasn't, bit for bit."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from toy_images import images
from toy_networks import TinyResNet
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import RunFolderError
from ttl.finetune import Epoch, Fit, Settings, epochs_done, fit, recipe
from ttl.finetune.resume import Checkpoint

SETTINGS = Settings(kind="binary", mean=(0.5,) * 3, std=(0.25,) * 3, seed=3, epochs=6, batch_size=4)
TIMES = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = TinyResNet()
    point = truncation_points(backbone, image_size=32)["stage2.0"]
    return truncate(backbone, point, num_classes=2, dropout=0.3)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs here are shorter than saving one takes; in earnest that would make it skip some."""
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", float("inf"))


def train(model: nn.Module, how: str, settings: Settings = SETTINGS, **watched: Any) -> Fit:
    return fit(model, images(12), images(8, seed=1), recipe(how), settings, **watched)


def timeless(result: Fit) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.to_json().items() if key not in TIMES} for row in result.curve]


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize("how", ["full", "fc-then-bn", "fc-then-full", "fc-bma"])
def test_stopped_after_any_epoch_it_ends_with_the_same_bits(
    model: nn.Module, how: str, stop: int, tmp_path: Path
) -> None:
    whole, parted = copy.deepcopy(model), copy.deepcopy(model)
    undisturbed = train(whole, how)
    kept = tmp_path / "folder" / "state"

    def stop_there(row: Epoch) -> None:
        if row.epoch == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(parted, how, on_epoch=stop_there, checkpoint=kept)
    assert epochs_done(kept) == stop
    new: list[int] = []
    continued = train(copy.deepcopy(model), how, on_epoch=lambda row: new.append(row.epoch), checkpoint=kept)
    assert new == list(range(stop + 1, 7))
    assert timeless(continued) == timeless(undisturbed)
    assert (continued.best_epoch, continued.trainable) == (undisturbed.best_epoch, undisturbed.trainable)
    last = copy.deepcopy(model)
    train(last, how, checkpoint=kept)
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in last.state_dict().items())


def test_stopped_within_an_epoch_only_that_epoch_is_done_again(model: nn.Module, tmp_path: Path) -> None:
    kept = tmp_path / "state"
    steps: list[int] = []

    def stop_there(shown: int, of: int) -> None:
        steps.append(shown)
        if len(steps) == 8:  # the second of three steps of the third epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(copy.deepcopy(model), "full", on_images=stop_there, checkpoint=kept)
    assert epochs_done(kept) == 2
    assert timeless(train(copy.deepcopy(model), "full", checkpoint=kept)) == timeless(train(model, "full"))


@pytest.mark.parametrize("change", [{"seed": 4}, {"lr": 1e-2}, {"accumulate": 2}])
def test_the_state_of_another_fine_tune_counts_as_none(
    model: nn.Module, change: dict[str, Any], tmp_path: Path
) -> None:
    kept, other = tmp_path / "state", replace(SETTINGS, **change)
    train(copy.deepcopy(model), "full", checkpoint=kept)
    alone, beside = copy.deepcopy(model), copy.deepcopy(model)
    assert timeless(train(alone, "full", other)) == timeless(train(beside, "full", other, checkpoint=kept))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no state at all"])
def test_a_damaged_state_counts_as_none(model: nn.Module, content: bytes, tmp_path: Path) -> None:
    kept = tmp_path / "state"
    kept.write_bytes(content)
    assert epochs_done(kept) == 0
    assert train(copy.deepcopy(model), "full", checkpoint=kept).epochs == 6
    assert epochs_done(kept) == 6


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match=r"can't be kept in .*file.*make room"):
        Checkpoint(tmp_path / "file" / "state", {}).save({"curve": []})


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", 0.1)
    now = [0.0]
    monkeypatch.setattr("ttl.finetune.resume.perf_counter", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "state", {})
    checkpoint.cost = 2.0  # so it is worth saving once 20 s have passed
    written = []
    for second in (5.0, 19.0, 21.0, 22.0):
        now[0] = second
        checkpoint.save({"curve": [second]})
        written.append(torch.load(tmp_path / "state")["curve"] if (tmp_path / "state").exists() else None)
    assert written == [None, None, [21.0], [22.0]]  # the clock stood still meanwhile: this one cost nothing


@pytest.mark.parametrize("how", ["full", "fc-then-bn", "fc-then-full"])
def test_paused_again_and_again_it_ends_with_the_same_bits(model: nn.Module, how: str, tmp_path: Path) -> None:
    whole, parted = copy.deepcopy(model), copy.deepcopy(model)
    undisturbed = train(whole, how)
    epochs = []
    for pause in (1, 2, 4, None):
        parted = copy.deepcopy(model)
        result = train(parted, how, checkpoint=tmp_path / "state", pause_after=pause)
        epochs.append((result.epochs, result.finished))
    assert epochs == [(1, False), (2, False), (4, False), (6, True)]
    assert timeless(result) == timeless(undisturbed)
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in parted.state_dict().items())


def test_a_pause_that_is_behind_trains_nothing(model: nn.Module, tmp_path: Path) -> None:
    train(copy.deepcopy(model), "full", checkpoint=tmp_path / "state", pause_after=3)
    new: list[Any] = []
    again = train(copy.deepcopy(model), "full", checkpoint=tmp_path / "state", pause_after=2, on_epoch=new.append)
    assert (new, again.epochs, again.finished) == ([], 3, False)


def test_a_pause_keeps_its_state_whatever_saving_costs(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", 0.0)
    train(copy.deepcopy(model), "full", checkpoint=tmp_path / "state", pause_after=3)
    assert epochs_done(tmp_path / "state") == 3


def test_a_network_that_was_trained_already_is_kept_where_no_epoch_is_better(model: nn.Module) -> None:
    warm = copy.deepcopy(model)
    before = copy.deepcopy(warm.state_dict())
    result = train(warm, "fc-bn", replace(SETTINGS, keeps_start=True, lr=1e-12))
    better = [row for row in result.curve if row.val_loss < result.curve[0].val_loss]
    assert result.best_epoch == 0 or better
    broken = copy.deepcopy(model)
    kept = train(broken, "full", replace(SETTINGS, keeps_start=True, lr=0.5, epochs=2))
    if kept.best_epoch == 0:
        assert all(torch.equal(value, before[name]) for name, value in broken.state_dict().items())
