from __future__ import annotations

import argparse
import hashlib
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from toy_networks import TinyResNet
from ttl.errors import WeightsError
from ttl.networks.weights import WeightsReport, load_checkpoint

State = dict[str, torch.Tensor]


@cache
def donor() -> State:
    """The weights of a TinyResNet that no other test network starts with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        state = TinyResNet().state_dict()
    return {name: tensor + 0.25 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def saved(folder: Path, content: Any, name: str = "net.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def load(path: Path, model: nn.Module | None = None) -> WeightsReport:
    return load_checkpoint(model or TinyResNet(), path, network="tiny", classifier=("fc",))


def renamed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def without(state: State, *prefixes: str) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith(prefixes)}


def assert_has(model: nn.Module, state: State) -> None:
    own = model.state_dict()
    assert state
    for name, tensor in state.items():
        assert torch.equal(own[name], tensor), name


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s},
        lambda s: {"model": s, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
        lambda s: {"model_state_dict": s},
        lambda s: {"net": s},
        lambda s: {"state_dict_ema": s, "args": argparse.Namespace(lr=0.1)},
        lambda s: {"checkpoint": {"student": renamed(s, "module.backbone.")}},
        lambda s: renamed(s, "module."),
        lambda s: renamed(s, "model."),
        lambda s: renamed(s, "_orig_mod."),
        lambda s: {"state_dict": renamed(s, "model.encoder._orig_mod.")},
        lambda s: {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in s.items()},
        lambda s: {name: t.double() if t.is_floating_point() else t for name, t in s.items()},
        lambda s: {**s, "stem.0.total_ops": torch.zeros(1)},
    ],
)
def test_wrappers_and_prefixes_are_seen_through(tmp_path: Path, wrap: Callable[[State], Any]) -> None:
    model = TinyResNet()
    report = load(saved(tmp_path, wrap(donor())), model)
    assert_has(model, donor())
    assert (report.loaded, report.missing, report.ignored) == (len(donor()), (), ())
    assert report.summary() == f"{len(donor())} tensors loaded from net.pth"


def test_safetensors_are_read_whatever_the_suffix(tmp_path: Path) -> None:
    for name in ("net.safetensors", "net.pth"):
        model = TinyResNet()
        safetensors.torch.save_file(donor(), tmp_path / name)
        assert load(tmp_path / name, model).loaded == len(donor())
        assert_has(model, donor())


def test_the_older_file_format_of_torch_is_read(tmp_path: Path) -> None:
    model = TinyResNet()
    torch.save(donor(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    load(tmp_path / "old.pth", model)
    assert_has(model, donor())


def test_the_hash_is_the_files(tmp_path: Path) -> None:
    path = saved(tmp_path, donor())
    assert load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("raw", "averaged"), [("state_dict", "state_dict_ema"), ("student", "teacher"), ("a", "a_ema")]
)
def test_of_two_that_fit_the_running_average_is_taken_and_named(tmp_path: Path, raw: str, averaged: str) -> None:
    model = TinyResNet()
    path = saved(tmp_path, {raw: TinyResNet().state_dict(), averaged: donor()})
    assert load(path, model).summary() == f"{len(donor())} tensors loaded from net.pth ({averaged})"
    assert_has(model, donor())


def test_a_twin_in_the_same_mapping_is_counted_as_ignored(tmp_path: Path) -> None:
    model = TinyResNet()
    twins = {**renamed(TinyResNet().state_dict(), "encoder_q."), **renamed(donor(), "teacher."), "queue": torch.ones(2)}
    report = load(saved(tmp_path, twins), model)
    assert_has(model, donor())
    assert report.entry == "teacher"
    assert len(report.ignored) == len(donor()) + 1


def test_what_lies_beside_the_prefix_is_ignored_and_counted(tmp_path: Path) -> None:
    state = {
        **renamed(without(donor(), "fc."), "backbone."),
        "head.weight": torch.ones(2, 8),
        "loss.scale": torch.ones(1),
    }
    report = load(saved(tmp_path, state))
    assert report.ignored == ("head.weight", "loss.scale")
    assert report.missing == ("fc.weight", "fc.bias")
    assert "; 2 missing, start at random: fc (2 tensors); 2 ignored: head (1 tensor), loss (1)" in report.summary()


@pytest.mark.parametrize(
    "classifier",
    [
        {},
        {"fc.weight": torch.ones(2, 8), "fc.bias": torch.ones(2)},
        {"fc.0.weight": torch.ones(4, 8), "fc.2.weight": torch.ones(2, 4)},
        {"classifier.weight": torch.ones(2, 8)},
        {"projector.0.weight": torch.ones(4, 8), "projector.1.running_mean": torch.ones(4)},
    ],
)
def test_another_classifier_or_none_is_no_reason_to_refuse(tmp_path: Path, classifier: State) -> None:
    model = TinyResNet()
    before = model.fc.weight.clone()
    trunk = without(donor(), "fc.")
    report = load(saved(tmp_path, {**trunk, **classifier}), model)
    assert_has(model, trunk)
    assert torch.equal(model.fc.weight, before)
    assert (report.loaded, report.missing) == (len(trunk), ("fc.weight", "fc.bias"))
    assert report.ignored == tuple(classifier)


def test_a_lower_part_leaves_the_rest_and_names_it(tmp_path: Path) -> None:
    model = TinyResNet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    lower = without(donor(), "stage2.", "fc.")
    report = load(saved(tmp_path, {**lower, "ttl_head.fc.weight": torch.ones(2, 8)}), model)
    assert_has(model, lower)
    assert_has(model, {name: before[name] for name in before if name not in lower})
    assert report.missing == tuple(
        name for name in before if name not in lower and not name.endswith("num_batches_tracked")
    )
    assert report.ignored == ("ttl_head.fc.weight",)
    assert report.summary() == (
        f"{len(lower)} tensors loaded from net.pth; {len(report.missing)} missing, start at random: "
        f"stage2 ({len(report.missing) - 2} tensors), fc (2); 1 ignored: ttl_head.fc (1 tensor)"
    )


def test_files_from_before_batch_norm_counted_its_steps_miss_nothing(tmp_path: Path) -> None:
    old = {name: tensor for name, tensor in donor().items() if not name.endswith("num_batches_tracked")}
    assert load(saved(tmp_path, old)).missing == ()


def swap(state: State, name: str, tensor: torch.Tensor) -> State:
    return {**state, name: tensor}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: swap(s, "stage1.0.conv1.weight", torch.ones(8, 8, 1, 1)),
            "{n1} of their {n} tensors do, but stage1.0.conv1.weight is 8x8x1x1 in the file and 8x8x3x3 in "
            "the network: give --model the network that they were saved from",
        ),
        (
            lambda s: swap(s, "stage1.2.conv1.weight", torch.ones(8, 8, 3, 3)),
            "{n} of their {n2} tensors do, but stage1.2.conv1.weight isn't in the network: give --model",
        ),
        (
            lambda s: renamed(without(s, "stage1"), "other"),
            "no tensor of theirs does, otherstem.0.weight isn't in the network; otherstem.0.bias isn't in the "
            "network; otherstem.1.weight isn't in the network and {rest} more: give --model",
        ),
        (
            lambda s: without(s, "stage1.1."),
            "but the network needs stage1.1.conv1.weight, stage1.1.bn1.weight, stage1.1.bn1.bias and 3 more at or "
            "below them: give --model",
        ),
        (
            lambda s: {name: t for name, t in s.items() if "running" not in name},
            "but the network needs stem.1.running_mean, stem.1.running_var, stage1.0.bn1.running_mean and 7 more",
        ),
        (lambda s: {"fc.weight": s["fc.weight"]}, "1 of their tensors do, but the network needs stem.0.weight"),
        (lambda s: {"fc.weight": torch.ones(2, 8)}, "0 of their tensors do, but the network needs stem.0.weight"),
        (
            lambda s: {**without(s, "stage2."), "bottleneck.weight": torch.ones(3)},
            "but bottleneck.weight isn't in the network: give --model",
        ),
    ],
)
def test_what_is_of_another_network_is_refused_whole(
    tmp_path: Path, change: Callable[[State], State], message: str
) -> None:
    model = TinyResNet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = saved(tmp_path, change(donor()))
    with pytest.raises(WeightsError) as caught:
        load(path, model)
    n = len(donor())
    rest = len(without(donor(), "stage1")) - 3 - sum("batches" in name for name in without(donor(), "stage1"))
    assert str(caught.value).startswith(f"The weights {path} don't fit tiny: ")
    assert message.format(n=n, n1=n - 1, n2=n + 1, rest=rest) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_has(model, before)


class Custom:
    """Something that only unpickling brings back, and that must not come back."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return (Path.touch, (Path("pwned"),))  # type: ignore[return-value]


@pytest.mark.parametrize("zipped", [True, False])
def test_python_objects_are_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": donor(), "extra": Custom()}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"x.pt holds Python objects.* save the network's state_dict\(\) alone"):
        load(tmp_path / "x.pt")
    assert not (tmp_path / "pwned").exists()


def test_the_classes_of_the_objects_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, nn.Linear(2, 2))
    with pytest.raises(WeightsError, match=r"holds Python objects \(torch.nn.modules.linear.Linear\), which"):
        load(path)


def test_a_torchscript_program_is_named_as_one(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and such files are still about
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "net.pt"))
    with pytest.raises(WeightsError, match=r"net.pt is a TorchScript program: save the state_dict\(\) of torch.jit"):
        load(tmp_path / "net.pt")


def test_a_file_that_may_not_be_opened_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path, donor())
    monkeypatch.setattr(torch, "load", deny)
    with pytest.raises(WeightsError, match=r"net.pth can't be opened: permission denied"):
        load(path)


def damaged(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.pth"
    if kind == "folder":
        path.mkdir()
    elif kind == "cut":
        whole = saved(folder, donor()).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "cut_safetensors":
        whole = safetensors.torch.save(donor())
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "no_tensors":
        torch.save({"epoch": 3, "notes": ["a"]}, path)
    elif kind != "absent":
        path.write_bytes({"empty": b"", "text": b"# weights\nnone here\n", "noise": bytes(range(256)) * 9}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("absent", "doesn't exist: give a checkpoint, or --weights default or none"),
        ("folder", "is a folder: give a checkpoint, or --weights default or none"),
        ("empty", r"can't be read as a checkpoint \(0 bytes\): it is damaged or something else, give a file"),
        ("text", r"can't be read as a checkpoint \(20 bytes\): it is damaged"),
        ("noise", r"can't be read as a checkpoint \(2304 bytes\): it is damaged"),
        ("cut", "can't be read as a checkpoint .* it is damaged"),
        ("cut_safetensors", "can't be read as a checkpoint .* it is damaged"),
        ("no_tensors", r"hold no named tensors: save the network's state_dict\(\)"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load(damaged(tmp_path, kind))
    assert f"{kind}.pth" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_is_frozen_plain_data() -> None:
    report = WeightsReport("net.pth", 1, missing=("layer4.0.weight", "fc.weight", "pos_embed"))
    assert report.summary().endswith("3 missing, start at random: layer4 (1 tensor), fc (1), pos_embed (1)")
    assert WeightsReport(**asdict(report)) == report
    with pytest.raises(FrozenInstanceError):
        report.loaded = 2  # type: ignore[misc]
