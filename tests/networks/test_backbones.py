from __future__ import annotations

import logging
import re
import socket
import warnings
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn
from torchvision.models import vision_transformer

from ttl.errors import ModelError, UsageError, WeightsError
from ttl.networks import Backbone, InputSpec, download, load_backbone
from ttl.networks.weights import load_checkpoint

SMALL = "test_resnet"
TV_SMALL = "tv:squeezenet1_1"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def uninitialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks with whatever the memory holds: most of the time that making one takes goes into random numbers."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def out(backbone: Backbone) -> torch.Tensor:
    side = backbone.spec.image_size
    with torch.no_grad():
        result: torch.Tensor = backbone.model(torch.zeros(2, 3, side, side))
    return result


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("resnet18.tv_in1k", InputSpec((224, 224), *IMAGENET, "bilinear")),
        ("resnet18", InputSpec((224, 224), *IMAGENET, "bicubic")),
        ("tv:mobilenet_v3_small", InputSpec((224, 224), *IMAGENET, "bilinear")),
        ("tv:efficientnet_b2", InputSpec((288, 288), *IMAGENET, "bicubic")),
        ("vit_tiny_patch16_224", InputSpec((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")),
    ],
)
@pytest.mark.usefixtures("uninitialised")
def test_a_backbone_brings_its_own_input(name: str, spec: InputSpec) -> None:
    backbone = load_backbone(name, weights="none")
    assert (backbone.name, backbone.spec) == (name, spec)
    assert not any(module.training for module in backbone.model.modules())


@pytest.mark.parametrize("name", [SMALL, TV_SMALL, "test_vit", "tv:vit_b_32"])
def test_another_image_size_is_taken_where_positions_are_fixed_or_not(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    small = {"num_layers": 1, "num_heads": 1, "hidden_dim": 8, "mlp_dim": 8}  # of 88 million weights
    real = vision_transformer.VisionTransformer
    monkeypatch.setattr(vision_transformer, "VisionTransformer", lambda **options: real(**options | small))
    backbone = load_backbone(name, weights="none", image_size=96)
    assert backbone.spec.image_size == 96
    assert out(backbone).shape == (2, 1000)


@pytest.mark.parametrize(("name", "size"), [("tv:vit_b_32", 100), ("tv:maxvit_t", 100), ("xcit_nano_12_p16_224", 8)])
def test_an_image_size_that_the_network_cant_have_is_refused(name: str, size: int) -> None:
    with pytest.raises(
        ModelError, match=rf"^{name} can't be built for images of {size} x {size} pixels \(.*\): give another"
    ):
        load_backbone(name, weights="none", image_size=size)


@pytest.mark.parametrize("size", [0, -5])
def test_an_image_size_below_one_is_no_size(size: int) -> None:
    with pytest.raises(UsageError, match=f"^The image size is {size}: give the side of a square in pixels"):
        load_backbone(SMALL, weights="none", image_size=size)


@pytest.mark.parametrize("name", ["tv:googlenet", "tv:inception_v3"])
@pytest.mark.usefixtures("uninitialised")
def test_networks_with_side_classifiers_are_built_as_their_weights_want_them(name: str) -> None:
    model: Any = load_backbone(name, weights="none").model
    assert model.transform_input
    assert not [name for name, _ in model.named_modules() if "aux" in name.lower()]


@pytest.mark.parametrize("name", [SMALL, TV_SMALL])
def test_the_seed_rules_random_weights_and_nothing_else(name: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (load_backbone(name, weights="none", seed=seed).model for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, other)


def test_random_weights_are_reported_as_such() -> None:
    backbone = load_backbone(SMALL, weights="none")
    report = backbone.weights
    assert (report.source, report.loaded, report.sha256) == ("none", 0, None)
    assert {*report.missing} >= {name for name, _ in backbone.model.named_parameters()}
    assert report.summary() == f"random weights ({len(report.missing)} tensors), nothing pretrained"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "timm has no model 'resnet5': did you mean resnet50 or"),
        ("ResNet50", "timm has no model 'ResNet50': did you mean resnet50 or"),
        ("densenet112.tv_in1k", "did you mean .*densenet121"),
        ("timm/resnet50.a1_in1k", "did you mean resnet50 or"),
        ("mobilenet_v2", "timm has no model 'mobilenet_v2': did you mean tv:mobilenet_v2 or"),
        ("efficientnet", "did you mean efficientnet"),
        ("zzz", "timm has no model 'zzz': give a timm name such as resnet50, or tv:resnet50"),
        ("", "timm has no model '': give a timm name"),
        ("tv:resnet55", "torchvision has no classification model 'resnet55': did you mean tv:resnet50 or"),
        ("tv:resnet26", "did you mean resnet26 or tv:resnet"),
        ("tv:fcn_resnet50", "torchvision has no classification model 'fcn_resnet50': did you mean .*tv:"),
        ("tv:", "torchvision has no classification model '': give a timm name"),
        ("resnet10t.bla", "The model resnet10t has no pretrained tag 'bla': it has c3_in1k"),
        ("resnet18.", "The model resnet18 has no pretrained tag '': it has a1_in1k, .*tv_in1k"),
    ],
)
def test_a_name_that_doesnt_exist_gets_near_names(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_backbone(name, weights="none")


@pytest.mark.parametrize("name", [SMALL, TV_SMALL])
def test_a_file_makes_the_backbone(tmp_path: Path, name: str) -> None:
    source = load_backbone(name, weights="none", seed=5).model
    torch.save({"model": {f"module.{n}": t for n, t in source.state_dict().items()}}, tmp_path / "net.pth")
    backbone = load_backbone(name, weights=str(tmp_path / "net.pth"))
    assert same(backbone.model, source)
    assert backbone.weights.summary() == f"{len(source.state_dict())} tensors loaded from net.pth"


@pytest.mark.parametrize(
    ("name", "classifier"), [(SMALL, "fc"), (TV_SMALL, "classifier.1"), ("tv:mobilenet_v3_small", "classifier.3")]
)
@pytest.mark.usefixtures("uninitialised")
def test_a_classifier_of_ones_own_is_ignored(tmp_path: Path, name: str, classifier: str) -> None:
    state = load_backbone(name, weights="none", seed=5).model.state_dict()
    for part in ("weight", "bias"):
        state[f"{classifier}.{part}"] = state[f"{classifier}.{part}"][:2]
    torch.save(state, tmp_path / "net.pth")
    report = load_backbone(name, weights=str(tmp_path / "net.pth")).weights
    assert report.ignored == report.missing == (f"{classifier}.weight", f"{classifier}.bias")


def test_the_seed_rules_what_a_file_leaves_at_random(tmp_path: Path) -> None:
    whole = load_backbone(SMALL, weights="none", seed=5).model.state_dict()
    torch.save({n: t for n, t in whole.items() if not n.startswith(("layer4", "fc"))}, tmp_path / "low.pth")
    first, again, other = (
        load_backbone(SMALL, weights=str(tmp_path / "low.pth"), seed=seed).model for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert torch.equal(other.state_dict()["layer3.0.conv1.weight"], whole["layer3.0.conv1.weight"])
    assert not torch.equal(other.state_dict()["layer4.0.conv1.weight"], first.state_dict()["layer4.0.conv1.weight"])


def test_the_densenet_names_of_old_torchvision_files_are_mapped(tmp_path: Path) -> None:
    source, model = (
        torchvision.models.DenseNet(growth_rate=4, block_config=(2, 1), num_init_features=8) for _ in range(2)
    )
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", n): t for n, t in source.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    report = load_checkpoint(model, tmp_path / "old.pth", network="tv:densenet121")
    assert same(model, source)
    assert report.missing == report.ignored == ()


def test_a_misfit_names_the_network_as_the_user_does(tmp_path: Path) -> None:
    torch.save(load_backbone(SMALL, weights="none").model.state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=rf"net.pth don't fit {TV_SMALL}: .* in the network; "):
        load_backbone(TV_SMALL, weights=str(tmp_path / "net.pth"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No server answers, and the caches are empty folders: `hub` and `checkpoints` of the one returned."""

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path


WAYS_ON = "give a local file with --weights FILE, or start from random weights with --weights none"


@pytest.mark.parametrize(("name", "host"), [("resnet50", "huggingface.co"), ("tv:resnet50", "download.pytorch.org")])
def test_without_a_network_one_is_refused_at_once_with_the_ways_on(
    offline: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, host: str
) -> None:
    # The hub's client would try for most of a minute, and the network would be built in vain.
    monkeypatch.setattr(timm, "create_model", None)
    monkeypatch.setattr(torchvision.models, "get_model", None)
    sentence = f"The pretrained weights of {name} can't be downloaded, {host} doesn't answer (no network?): {WAYS_ON}"
    with pytest.raises(WeightsError, match=f"^{re.escape(sentence)}$"):
        load_backbone(name)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model.pth"
        with pytest.raises(WeightsError, match=r"127\.0\.0\.1 doesn't answer"):
            download.require_url("net", url)


def test_the_hubs_own_switch_is_honoured(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=f"of {SMALL} aren't on this machine, and HF_HUB_OFFLINE .*: {WAYS_ON}"):
        load_backbone(SMALL)


def test_a_model_without_pretrained_weights_says_so() -> None:
    name = next(n for n in timm.list_models() if not timm.get_pretrained_cfg(n).has_weights)
    with pytest.raises(WeightsError, match=f"^timm has no pretrained weights for {name}: {WAYS_ON}$"):
        load_backbone(name)


def test_a_download_that_breaks_off_says_why(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> dict[str, torch.Tensor]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_responds", lambda url: True)
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", broken)
    monkeypatch.setattr(torchvision.models._api.WeightsEnum, "get_state_dict", broken)
    for name in (SMALL, TV_SMALL):
        sentence = f"weights of {name} can't be had (OSError: [Errno 28] No space left on device): {WAYS_ON}"
        with pytest.raises(WeightsError, match=re.escape(sentence)):
            load_backbone(name)


def test_pretrained_weights_in_the_hubs_cache_need_no_network(offline: Path) -> None:
    source = load_backbone(SMALL, weights="none", seed=5).model
    repository = offline / "hub" / f"models--timm--{timm.get_pretrained_cfg(SMALL).hf_hub_id.partition('/')[2]}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    safetensors.torch.save_file(source.state_dict(), snapshot / "model.safetensors")
    backbone = load_backbone(SMALL)
    assert same(backbone.model, source)
    assert backbone.weights.summary() == f"{len(source.state_dict())} tensors loaded from pretrained"


def test_pretrained_weights_in_torchs_cache_need_no_network(offline: Path) -> None:
    source = load_backbone(TV_SMALL, weights="none", seed=5).model
    (offline / "checkpoints").mkdir()
    file = Path(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url).name
    torch.save(source.state_dict(), offline / "checkpoints" / file)
    assert same(load_backbone(TV_SMALL).model, source)


def test_the_zoos_keep_quiet_only_while_they_work(caplog: pytest.LogCaptureFixture) -> None:
    with download.quiet():
        logging.getLogger("timm").warning("unexpected keys")
        warnings.warn("the default will change", FutureWarning, stacklevel=1)
    assert caplog.text == ""
    logging.getLogger("timm").warning("after")
    assert "after" in caplog.text


LOADED = [
    ("tv:mobilenet_v2", "mobilenet_v2", "classifier.1 (2 tensors)"),
    ("resnet18", "resnet18_stem_to_layer3", "layer4 (25 tensors), fc (2)"),
    ("tv:resnet18", "resnet18_stem_to_layer3", "layer4 (25 tensors), fc (2)"),
    ("resnet50", "resnet50_stem_to_layer2", "layer3 (95 tensors), layer4 (50), fc (2)"),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "file", "missing"), LOADED)
def test_real_weights_are_loaded_and_what_they_lack_is_named(
    realdata: Path, name: str, file: str, missing: str
) -> None:
    path = realdata / "weights" / f"{file}.pth"
    backbone = load_backbone(name, weights=str(path))
    content = torch.load(path, weights_only=True)
    state = backbone.model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in content.items())
    assert backbone.weights.loaded == len(content)
    assert backbone.weights.summary().endswith(f"start at random: {missing}")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet50", "resnet18_stem_to_layer3"),
        ("resnet34", "resnet18_stem_to_layer3"),
        ("resnet18", "resnet50_stem_to_layer2"),
        ("resnet18", "mobilenet_v2"),
        ("tv:mobilenet_v2", "resnet18_stem_to_layer3"),
        ("densenet121", "resnet50_stem_to_layer2"),
    ],
)
def test_real_weights_of_another_network_are_refused(realdata: Path, name: str, file: str) -> None:
    with pytest.raises(WeightsError, match=f"{file}.pth don't fit {name}: "):
        load_backbone(name, weights=str(realdata / "weights" / f"{file}.pth"))
