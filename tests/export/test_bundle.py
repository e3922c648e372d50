from __future__ import annotations

import hashlib
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
from ttl.data.kind import KINDS
from ttl.errors import RunFolderError
from ttl.export.bundle import Bundle, load_bundle, read_bundle, save_bundle
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.typed import read_sealed, write_sealed
from ttl.words.estimate import Estimate

SIZE = 32


def make(backbone: nn.Module, name: str, cut: str, *, pool: str = "avg") -> tuple[fx.GraphModule, Bundle]:
    """`backbone` cut at `cut` with a head for three classes, with weights and statistics of its own."""
    point = truncation_points(backbone, image_size=SIZE)[cut]
    model = truncate(backbone, point, num_classes=3, pool=pool, dropout=0.25)
    generator = torch.Generator().manual_seed(1)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.1)
    contract = Contract(
        kind=KINDS["multiclass"],
        class_names=("a", "b", "ç"),
        sides=(SIZE, SIZE),
        channels=1,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        decoding=Decoding("bicubic", (40.0, 400.0)),
        provenance=Provenance(name, "pretrained", point.name, point.index, 7, point.macs, "0" * 64, "0.1.0", "ttl"),
        metrics={"test": {"auc": Estimate(0.9, 0.8, 0.95)}},
    )
    return model.eval(), Bundle(contract, point, pool, 0.25)


def assert_same_model(loaded: nn.Module, saved: nn.Module) -> None:
    expected, state = saved.state_dict(), loaded.state_dict()
    assert list(state) == list(expected)
    for name, tensor in state.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(loaded(images), saved(images))


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, bundle = make(TinyResNet(), "tiny", "stage1.1")
    path = tmp_path_factory.mktemp("bundle")
    save_bundle(model, bundle, path)
    return path


@pytest.fixture
def folder(saved_once: Path, tmp_path: Path) -> Path:
    """A saved TinyResNet."""
    return shutil.copytree(saved_once, tmp_path / "chosen")


def edit(folder: Path, **changes: object) -> None:
    """Other content of bundle.json, as if it had been saved so."""
    path = folder / "bundle.json"
    content = read_sealed(path)
    assert isinstance(content, dict)
    write_sealed(path, {**content, **changes})


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "none"])
def test_round_trip_with_a_given_backbone(tmp_path: Path, pool: str) -> None:
    saved, bundle = make(TinyResNet(), "tiny", "stage1.1", pool=pool)
    bundle = save_bundle(saved, bundle, tmp_path)

    loaded, described = load_bundle(tmp_path, backbone=TinyResNet())

    assert described == bundle
    assert_same_model(loaded, saved)


def test_round_trip_of_a_concatenated_feature(tmp_path: Path) -> None:
    backbone = TinyDenseNet()
    inside = next(p for p in truncation_points(backbone, image_size=SIZE) if len(p.values) > 1)
    saved, bundle = make(backbone, "tiny", inside.name)
    bundle = save_bundle(saved, bundle, tmp_path)

    loaded, described = load_bundle(tmp_path, backbone=TinyDenseNet())

    assert described == bundle
    assert_same_model(loaded, saved)


def test_round_trip_of_a_network_made_by_its_name(tmp_path: Path) -> None:
    saved, bundle = make(network("resnet10t"), "resnet10t", "layer2.0")
    bundle = save_bundle(saved, bundle, tmp_path)

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
    bundle = save_bundle(saved, bundle, folder)

    loaded, described = load_bundle(folder, backbone=TinyResNet())

    assert described == bundle
    assert_same_model(loaded, saved)


DAMAGED = r"model\.safetensors is damaged: its bytes aren't those that were saved; fine-tune it again"
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
def test_weights_that_are_cut_off(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(RunFolderError, match=DAMAGED):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize("place", [0, 9, 2000, -1])
def test_one_byte_of_the_weights_that_is_another(folder: Path, place: int) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)

    with pytest.raises(RunFolderError, match=DAMAGED):
        load_bundle(folder, backbone=TinyResNet())
    assert read_bundle(folder).contract.class_names == ("a", "b", "ç")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_description_that_is_cut_off(folder: Path, kept: int) -> None:
    path = folder / "bundle.json"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(RunFolderError, match=r"bundle\.json can't be read: it isn't JSON"):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize("content", ["[]", "{}", '{"point": 1}', '{"point": "stage1.1"}'])
def test_a_foreign_description(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content)

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"point": {"shape": 1}}, "the field index is missing"),
        ({"contract": None}, "the field interpolation is missing"),
        ({"pool": 1}, "the field pool: input should be a valid string"),
        ({"dropout": "0.5"}, "the field dropout: input should be a valid number"),
        ({"sha256": None}, "the field sha256: input should be a valid string"),
    ],
)
def test_a_description_that_does_not_fit(folder: Path, changes: dict[str, object], message: str) -> None:
    edit(folder, **changes)

    with pytest.raises(RunFolderError, match=rf"bundle\.json can't be trusted: {message}.*"):
        load_bundle(folder, backbone=TinyResNet())


def test_a_description_that_was_changed(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_text(path.read_text("utf-8").replace('"channels": 1', '"channels": 3'), "utf-8")

    with pytest.raises(RunFolderError, match=r"bundle\.json can't be trusted: it was changed after it was written"):
        load_bundle(folder, backbone=TinyResNet())


def test_what_a_later_version_adds_is_left_alone(folder: Path) -> None:
    before = read_bundle(folder)
    edit(folder, surprise=1)

    assert read_bundle(folder) == before


def test_a_bundle_of_version_0_1_is_read(folder: Path) -> None:
    """It was flat, knew nothing of the contract, and had no digest."""
    saved, path = load_bundle(folder, backbone=TinyResNet())[0], folder / "bundle.json"
    now = json.loads(path.read_text("utf-8"))
    contract, point = now["contract"], {**now["point"], "image_size": SIZE}
    del point["sides"]
    taken = ("backbone", "image_size", "kind", "class_names", "channels", "mean", "std", "interpolation", "weights")
    flat = {name: contract[name] for name in (*taken, "recipe", "data_fingerprint", "divisor", "window", "metrics")}
    path.write_text(json.dumps({**flat, "point": point, "pool": now["pool"], "dropout": now["dropout"]}), "utf-8")

    model, bundle = load_bundle(folder, backbone=TinyResNet())

    assert_same_model(model, saved)
    assert (bundle.sha256, bundle.contract.provenance.cut, bundle.contract.sides) == ("", "stage1.1", (SIZE, SIZE))
    assert bundle.contract.metrics["test"]["auc"] == Estimate(0.9, 0.8, 0.95)


def with_its_digest(folder: Path) -> None:
    """The weights that are there now, as if they had been saved so."""
    edit(folder, sha256=hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())


MISFIT = r"model.safetensors doesn't fit tiny cut at stage1.1: the file was changed, or another version"


@pytest.mark.parametrize("change", ["missing", "unknown", "wider", "foreign"])
def test_weights_that_do_not_fit(folder: Path, change: str) -> None:
    state = safetensors.torch.load_file(folder / "model.safetensors")
    name = "stage1.0.conv1.weight"
    tensor = state.pop(name)
    if change == "foreign":
        state = {"weight": tensor}
    elif change != "missing":
        state |= {"more": tensor.clone(), name: tensor} if change == "unknown" else {name: torch.cat([tensor] * 2)}
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(RunFolderError, match=DAMAGED):
        load_bundle(folder, backbone=TinyResNet())
    with_its_digest(folder)

    with pytest.raises(RunFolderError, match=MISFIT):
        load_bundle(folder, backbone=TinyResNet())


def test_weights_that_are_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"{}")
    with_its_digest(folder)

    with pytest.raises(RunFolderError, match=UNREADABLE):
        load_bundle(folder, backbone=TinyResNet())


def test_the_weights_of_another_bundle(folder: Path, tmp_path: Path) -> None:
    save_bundle(*make(TinyResNet(), "tiny", "stage2.0"), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)

    with pytest.raises(RunFolderError, match=DAMAGED):
        load_bundle(folder, backbone=TinyResNet())


def test_another_backbone_than_it_was_cut_from(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=MISFIT):
        load_bundle(folder, backbone=TinyDenseNet())
