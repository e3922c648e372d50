"""A fine-tune that was stopped anywhere and continued ends with the same weights as one that wasn't, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from toy_images import images
from toy_networks import TinyResNet
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data import KINDS
from ttl.errors import RunFolderError
from ttl.finetune import Epoch, Fit, Settings, epochs_done, fit, recipe
from ttl.finetune.resume import Best, Checkpoint, Stage, State, is_whole

SETTINGS = Settings(kind=KINDS["binary"], mean=(0.5,) * 3, std=(0.25,) * 3, seed=3, epochs=4, batch_size=4)
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def plain() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = TinyResNet()
    point = truncation_points(backbone, image_size=16)["stage2.0"]
    return truncate(backbone, point, num_classes=2, dropout=0.3)


@pytest.fixture
def model(plain: nn.Module) -> nn.Module:
    return copy.deepcopy(plain)


@pytest.fixture(scope="module")
def undisturbed(plain: nn.Module) -> Callable[..., tuple[Fit, Weights]]:
    """A recipe -> how a fine-tune without a stop goes, and its weights."""

    @cache
    def trained(how: str, settings: Settings = SETTINGS) -> tuple[Fit, Weights]:
        whole = copy.deepcopy(plain)
        return train(whole, how, settings), whole.state_dict()

    return trained


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs here are shorter than saving one takes; in earnest that would make it skip some."""
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", float("inf"))


def train(model: nn.Module, how: str, settings: Settings = SETTINGS, **watched: Any) -> Fit:
    return fit(model, images(12), images(8, seed=1), recipe(how), settings, **watched)


def timeless(result: Fit) -> list[Epoch]:
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in result.curve]


def same(model: nn.Module, weights: Weights) -> bool:
    state = model.state_dict()
    return state.keys() == weights.keys() and all(torch.equal(value, weights[name]) for name, value in state.items())


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("how", ["full", "fc-then-bn", "fc-then-full", "fc-bma"])
def test_stopped_after_any_epoch_it_ends_with_the_same_bits(
    model: nn.Module, undisturbed: Callable[..., tuple[Fit, Weights]], how: str, stop: int, tmp_path: Path
) -> None:
    whole, weights = undisturbed(how)
    kept = tmp_path / "folder" / "state"
    continued = copy.deepcopy(model)

    def stop_there(row: Epoch) -> None:
        if row.epoch == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, how, on_epoch=stop_there, checkpoint=kept)
    assert epochs_done(kept) == stop
    new: list[int] = []
    result = train(continued, how, on_epoch=lambda row: new.append(row.epoch), checkpoint=kept)
    assert new == list(range(stop + 1, 5))
    assert timeless(result) == timeless(whole)
    assert (result.best_epoch, result.trainable) == (whole.best_epoch, whole.trainable)
    assert same(continued, weights)


def test_stopped_within_an_epoch_only_that_epoch_is_done_again(
    model: nn.Module, undisturbed: Callable[..., tuple[Fit, Weights]], tmp_path: Path
) -> None:
    kept = tmp_path / "state"
    continued, steps = copy.deepcopy(model), list[int]()

    def stop_there(done: int, of: int) -> None:
        steps.append(done)
        if len(steps) == 8:  # the second of three steps of the third epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, "full", on_images=stop_there, checkpoint=kept)
    assert epochs_done(kept) == 2
    whole, weights = undisturbed("full")
    assert timeless(train(continued, "full", checkpoint=kept)) == timeless(whole)
    assert same(continued, weights)


@pytest.mark.parametrize("change", [{"seed": 4}, {"lr": 1e-2}, {"accumulate": 2}])
def test_the_state_of_another_fine_tune_counts_as_none(
    model: nn.Module, undisturbed: Callable[..., tuple[Fit, Weights]], change: dict[str, Any], tmp_path: Path
) -> None:
    kept, other = tmp_path / "state", replace(SETTINGS, **change)
    beside = copy.deepcopy(model)
    train(model, "full", checkpoint=kept, pause_after=3)
    whole, weights = undisturbed("full", other)
    assert timeless(train(beside, "full", other, checkpoint=kept)) == timeless(whole)
    assert same(beside, weights)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no state at all"])
def test_a_damaged_state_counts_as_none(model: nn.Module, content: bytes, tmp_path: Path) -> None:
    kept = tmp_path / "state"
    kept.write_bytes(content)
    assert epochs_done(kept) == 0
    assert train(model, "full", checkpoint=kept).epochs == 4
    assert epochs_done(kept) == 4


def flipped(path: Path, position: int, bits: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= bits
    path.write_bytes(content)


@pytest.mark.parametrize("part", ["model", "optimizer", "rng"])
def test_with_a_flipped_bit_in_a_tensor_it_begins_anew(
    model: nn.Module, undisturbed: Callable[..., tuple[Fit, Weights]], part: str, tmp_path: Path
) -> None:
    kept, again = tmp_path / "state", copy.deepcopy(model)
    train(model, "full", checkpoint=kept, pause_after=2)
    state = State.of(torch.load(kept, weights_only=True)["state"])
    assert state is not None
    bias = state.model["stem.0.bias"]
    tensor = {"model": bias, "optimizer": state.optimizer["state"][1]["exp_avg"], "rng": state.rng}[part]
    flipped(kept, kept.read_bytes().index(tensor.numpy().tobytes()))
    torch.load(kept, weights_only=True)  # which doesn't notice
    assert (epochs_done(kept), is_whole(kept)) == (0, False)
    new: list[int] = []
    whole, weights = undisturbed("full")
    result = train(again, "full", on_epoch=lambda row: new.append(row.epoch), checkpoint=kept)
    assert new == [1, 2, 3, 4]
    assert timeless(result) == timeless(whole)
    assert same(again, weights)


def small() -> State:
    """A state of a network of two weights."""
    return State(
        model={"weight": torch.arange(2.0)},
        best=Best(0.5, 1, {"weight": torch.ones(2)}),
        stage=Stage(0, 1, 0.5, 0),
        curve=(Epoch(1, "all", 1e-3, 0.5, 0.25, {"auprc": 0.5}, images_per_second=100.0, seconds=1.5),),
        notes=("a note",),
        optimizer={"state": {0: {"step": torch.tensor(3.0)}}},
        schedule={"epochs_done": 1},
        scaler=None,
        generator=torch.zeros(4, dtype=torch.uint8),
        rng=torch.zeros(4, dtype=torch.uint8),
        cuda_rng=None,
    )


def test_no_flipped_byte_makes_another_state_of_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint = Checkpoint(path, {"recipe": "full"})
    checkpoint.save(small())
    content, whole = path.read_bytes(), repr(checkpoint.load())
    with ZipFile(path) as parts:
        table = parts.start_dir
    # The way a part is compressed stands ten bytes into its row of the table: torch's parts aren't compressed.
    deflated = [place + 10 for place in range(table, len(content)) if content[place:].startswith(b"PK\x01\x02")]
    assert len(deflated) > 5
    states = set()
    for place, bits in [*((place, 8) for place in deflated), *((place, 255) for place in range(0, len(content), 41))]:
        path.write_bytes(content)
        flipped(path, place, bits)
        state = checkpoint.load()
        states.add(None if state is None else repr(state))
        assert is_whole(path) is (state is not None)
    assert states == {None, whole}  # what lies between the parts is nothing's


def test_what_cannot_be_kept_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match=r"can't be kept in .*file.*make room"):
        Checkpoint(tmp_path / "file" / "state", {}).save(small())


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", 0.1)
    now = [0.0]
    monkeypatch.setattr("ttl.finetune.resume.perf_counter", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "state", {})
    checkpoint.cost = 2.0  # so it is worth saving once 20 s have passed
    written = []
    for second in (5.0, 19.0, 21.0, 22.0):
        now[0] = second
        checkpoint.save(replace(small(), notes=(f"at {second:g}",)))
        state = checkpoint.load()
        written.append(state and state.notes)
    assert written == [None, None, ("at 21",), ("at 22",)]  # the clock stood still meanwhile: the last one cost nothing


@pytest.mark.parametrize("how", ["full", "fc-then-bn", "fc-then-full"])
def test_paused_again_and_again_it_ends_with_the_same_bits(
    plain: nn.Module, undisturbed: Callable[..., tuple[Fit, Weights]], how: str, tmp_path: Path
) -> None:
    whole, weights = undisturbed(how)
    epochs = []
    for pause in (1, 2, 3, None):
        parted = copy.deepcopy(plain)
        result = train(parted, how, checkpoint=tmp_path / "state", pause_after=pause)
        epochs.append((result.epochs, result.finished))
    assert epochs == [(1, False), (2, False), (3, False), (4, True)]
    assert timeless(result) == timeless(whole)
    assert same(parted, weights)


def test_a_pause_that_is_behind_trains_nothing(model: nn.Module, tmp_path: Path) -> None:
    train(copy.deepcopy(model), "full", checkpoint=tmp_path / "state", pause_after=3)
    new: list[Any] = []
    again = train(model, "full", checkpoint=tmp_path / "state", pause_after=2, on_epoch=new.append)
    assert (new, again.epochs, again.finished) == ([], 3, False)


def test_a_pause_keeps_its_state_whatever_saving_costs(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttl.finetune.resume.LARGEST_SHARE", 0.0)
    train(model, "full", checkpoint=tmp_path / "state", pause_after=3)
    assert epochs_done(tmp_path / "state") == 3


def test_a_network_that_was_trained_already_is_kept_where_no_epoch_is_better(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.deepcopy(model.state_dict())
    for scores, best in (([0.5, 0.4, 0.5], 0), ([0.5, 0.4, 0.6], 2)):
        given = iter(scores)
        monkeypatch.setattr("ttl.finetune.loop.metrics", lambda *_, given=given: {"auprc": next(given)})
        tuned = copy.deepcopy(model)
        result = train(tuned, "full", replace(SETTINGS, keeps_start=True, epochs=2))
        assert result.best_epoch == best
        assert same(tuned, before) is (best == 0)
