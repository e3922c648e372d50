from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import fx, nn

from toy_networks import TinyDenseNet, TinyResNet, network
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import RunFolderError
from ttl.export.bundle import Bundle, load_bundle, save_bundle

SIZE = 32


def make(backbone: nn.Module, name: str, cut: str, *, pool: str = "avg") -> tuple[fx.GraphModule, Bundle]:
    """`backbone` cut at `cut` with a head for three classes, with weights and statistics of its own."""
    point = truncation_points(backbone, image_size=SIZE)[cut]
    model = truncate(backbone, point, num_classes=3, pool=pool, dropout=0.25)
    generator = torch.Generator().manual_seed(1)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.1)
    bundle = Bundle(
        backbone=name,
        image_size=SIZE,
        point=point,
        kind="multiclass",
        class_names=("a", "b", "ç"),
        pool=pool,
        dropout=0.25,
        channels=1,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        interpolation="bicubic",
        weights="pretrained",
        recipe="ttl",
        data_fingerprint="0" * 64,
        metrics={"test": {"auc": {"value": 0.9, "ci_low": 0.8, "ci_high": None}}},
    )
    return model.eval(), bundle


def assert_same_model(loaded: nn.Module, saved: nn.Module) -> None:
    expected, state = saved.state_dict(), loaded.state_dict()
    assert list(state) == list(expected)
    for name, tensor in state.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(loaded(images), saved(images))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved TinyResNet."""
    model, bundle = make(TinyResNet(), "tiny", "stage1.1")
    save_bundle(model, bundle, tmp_path / "chosen")
    return tmp_path / "chosen"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "none"])
def test_round_trip_with_a_given_backbone(tmp_path: Path, pool: str) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage1.1", pool=pool)
    save_bundle(saved, bundle, tmp_path)

    loaded, described = load_bundle(tmp_path, backbone=TinyResNet())

    assert described == bundle
    assert_same_model(loaded, saved)


def test_round_trip_of_a_concatenated_feature(tmp_path: Path) -> None:
    backbone = TinyDenseNet()
    inside = next(p for p in truncation_points(backbone, image_size=SIZE) if len(p.values) > 1)
    saved, bundle = make(backbone, "tiny", inside.name)
    save_bundle(saved, bundle, tmp_path)

    loaded, described = load_bundle(tmp_path, backbone=TinyDenseNet())

    assert described == bundle
    assert_same_model(loaded, saved)


@pytest.mark.parametrize("pool", ["avg", "none"])
def test_round_trip_of_a_network_made_by_its_name(tmp_path: Path, pool: str) -> None:
    saved, bundle = make(network("resnet10t"), "resnet10t", "layer2.0", pool=pool)
    save_bundle(saved, bundle, tmp_path)

    loaded, described = load_bundle(tmp_path)

    assert described == bundle
    assert_same_model(loaded, saved)


def test_the_loaded_model_is_in_eval_mode_whatever_was_saved(tmp_path: Path) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage1.1")
    save_bundle(saved.train(), bundle, tmp_path)

    loaded, _ = load_bundle(tmp_path, backbone=TinyResNet().train())

    assert not any(module.training for module in loaded.modules())


def test_saving_and_loading_leave_the_networks_as_they_are(tmp_path: Path) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage1.1")
    backbone = TinyResNet()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    save_bundle(saved.train(), bundle, tmp_path)

    loaded, _ = load_bundle(tmp_path, backbone=backbone)
    nn.init.zeros_(loaded.get_parameter("ttl_head.fc.bias"))

    assert saved.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_parameters_that_share_memory_are_saved(tmp_path: Path) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage1.1")
    blocks = [saved.get_submodule(f"stage1.{i}.conv2") for i in (0, 1)]
    blocks[0].weight = blocks[1].weight
    save_bundle(saved, bundle, tmp_path)

    loaded, _ = load_bundle(tmp_path, backbone=TinyResNet())

    assert_same_model(loaded, saved)


def test_saving_again_replaces(folder: Path) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage2.0")
    save_bundle(saved, bundle, folder)

    loaded, described = load_bundle(folder, backbone=TinyResNet())

    assert described == bundle
    assert_same_model(loaded, saved)


UNREADABLE = r"chosen holds no model that can be read \(.+\): name a folder with model.safetensors and bundle.json"


@pytest.mark.parametrize("name", ["model.safetensors", "bundle.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


def test_a_missing_folder(folder: Path) -> None:
    shutil.rmtree(folder)

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
@pytest.mark.parametrize("name", ["model.safetensors", "bundle.json"])
def test_a_file_that_is_cut_off(folder: Path, name: str, kept: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"point": 1}', "\x00", '{"point": {"shape": 1}}'])
def test_a_foreign_description(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize("changes", [{"surprise": 1}, {"point": None}, {"mean": 0.5}, {"point": "stage1.1"}])
def test_a_description_with_other_fields(folder: Path, changes: dict[str, object]) -> None:
    edit(folder, **changes)

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


def test_foreign_weights(folder: Path) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, folder / "model.safetensors")

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


MISFIT = r"model.safetensors doesn't fit tiny cut at stage1.1: the file was changed, or another version"


@pytest.mark.parametrize("change", ["missing", "unknown", "wider"])
def test_weights_that_do_not_fit(folder: Path, change: str) -> None:
    state = safetensors.torch.load_file(folder / "model.safetensors")
    name = "stage1.0.conv1.weight"
    tensor = state.pop(name)
    if change != "missing":
        state |= {"more": tensor.clone(), name: tensor} if change == "unknown" else {name: torch.cat([tensor] * 2)}
    safetensors.torch.save_file(state, folder / "model.safetensors")

    with pytest.raises(RunFolderError, match=MISFIT):
        load_bundle(folder, backbone=TinyResNet())


def test_the_weights_of_another_bundle(folder: Path, tmp_path: Path) -> None:
    save_bundle(*make(TinyResNet(), "tiny", "stage2.0"), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)

    with pytest.raises(RunFolderError, match=MISFIT):
        load_bundle(folder, backbone=TinyResNet())


def test_another_backbone_than_it_was_cut_from(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=MISFIT):
        load_bundle(folder, backbone=TinyDenseNet())
