"""U-Nets of segmentation_models_pytorch: `unet:ENCODER`, an encoder of its own or any convolutional network of timm."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import safetensors.torch
import segmentation_models_pytorch as smp
import timm
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.encoders import TimmUniversalEncoder
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from torch import nn

from ttl.errors import ModelError, UsageError, WeightsError
from ttl.files import sha256
from ttl.networks.download import WAYS_ON, hub_file, quiet, unavailable
from ttl.networks.names import SUGGESTED, UNET, timm_names
from ttl.networks.spec import Built, InputSpec
from ttl.networks.timm_zoo import build_timm
from ttl.networks.weights import WeightsReport, find_entry, fit, read, trainable_or_statistic
from ttl.words.sides import Sides, spelled

OF_TIMM = "tu-"
CROP = 256  # side of the training crops unless asked otherwise
DEEPEST_STRIDE = 32
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CENTRED = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
DPN = ((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3)
STATISTICS = {"inception": CENTRED, "xception": CENTRED, "dpn": DPN}
"""Mean and std of the encoders (by the beginning of their names) that weren't trained with ImageNet's."""
HEAD = "segmentation_head.0"


def build_unet(name: str, *, pretrained: bool, sides: Sides | None) -> Built:
    """Make a U-Net with one output channel, its encoder pretrained where that is asked for.

    Raises:
        ModelError: there is no such encoder, or smp can't build a U-Net on it.
        UsageError: the crops can't be halved as often as the encoder does.
        WeightsError: the pretrained weights can't be had.
    """
    encoder = _encoder_name(name)
    sides = sides or (CROP, CROP)
    if any(side % DEEPEST_STRIDE for side in sides):
        near = tuple(max(1, round(side / DEEPEST_STRIDE)) * DEEPEST_STRIDE for side in sides)
        raise UsageError(
            f"--image-size is {spelled(sides)}, and {name} halves its images five times: give a multiple of 32, such "
            f"as {spelled(near)}"
        )
    try:
        with quiet():
            unet: nn.Module = smp.Unet(encoder, encoder_weights=None, classes=1)
    except Exception as error:  # whatever the encoder's constructor raises
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"No U-Net can be built on {name.removeprefix(UNET)} ({reason}): it needs a convolutional network that "
            "halves its images step by step; give another encoder"
        ) from error
    mean, std = _statistics(encoder)
    if pretrained and encoder.startswith(OF_TIMM):
        whole = build_timm(encoder.removeprefix(OF_TIMM), pretrained=True, sides=None)
        fit_encoder(unet, whole.model.state_dict(), source="of timm", network=name)
    elif pretrained:
        mean, std = _download(name, encoder, unet)
    return Built(unet, InputSpec(sides, mean, std, "bilinear"), (HEAD,), _fresh(unet))


def load_unet_checkpoint(unet: nn.Module, path: Path, *, network: str, classifier: Sequence[str]) -> WeightsReport:
    """Load a file into `unet`: a whole U-Net with any number of classes, or its encoder alone, under its own names.

    For the arguments see `ttl.networks.weights.load_checkpoint`.

    Raises:
        WeightsError: the file can't be read, or is of another network.
    """
    content = read(path)
    entry = find_entry(content, set(unet.state_dict()))
    if entry is not None and any(name.startswith("decoder.") for name in entry.state):
        weight = entry.state.get(f"{HEAD}.weight")
        if weight is not None and weight.ndim == 4:  # as many classes as the file has
            unet.add_module(HEAD.partition(".")[0], SegmentationHead(weight.shape[1], weight.shape[0]))
        report = fit(unet, content, source=str(path), network=network, classifier=classifier)
    else:
        report = fit_encoder(unet, content, source=str(path), network=network)
    return replace(report, source=path.name, sha256=sha256(path))


def fit_encoder(unet: nn.Module, content: Any, *, source: str, network: str) -> WeightsReport:
    """Load the weights of a classifier's body into the encoder; the decoder stays as it is.

    Raises:
        WeightsError: they are those of another network.
    """
    prefix = "encoder.model." if isinstance(unet.get_submodule("encoder"), TimmUniversalEncoder) else "encoder."
    body = unet.get_submodule(prefix.rstrip("."))
    content = _renamed(content, {name.replace(".", "_"): name for name in body.state_dict()})
    report = fit(body, content, source=source, network=network)
    return replace(report, missing=(*(prefix + name for name in report.missing), *_fresh(unet)))


def _fresh(unet: nn.Module) -> tuple[str, ...]:
    """What no encoder's weights are for."""
    return trainable_or_statistic(name for name in unet.state_dict() if not name.startswith("encoder."))


def _renamed(content: Any, names: Mapping[str, str]) -> Any:
    """A checkpoint's content with the encoder's names: timm's `stages_0` is the classifier's `stages.0`."""
    if not isinstance(content, Mapping):
        return content
    return {names.get(str(key).replace(".", "_"), key): _renamed(value, names) for key, value in content.items()}


def _encoder_name(name: str) -> str:
    """What smp calls the encoder."""
    asked = name.removeprefix(UNET)
    if asked in smp_encoders:
        return asked
    timm_name = asked.removeprefix(OF_TIMM)
    if timm_name.partition(".")[0] in timm_names():
        return OF_TIMM + timm_name
    names = dict.fromkeys((*smp_encoders, *timm_names()))
    near = difflib.get_close_matches(asked.lower(), names, n=SUGGESTED, cutoff=0.6)
    hint = f"did you mean {' or '.join(UNET + other for other in near)}?" if near else "give one such as unet:resnet34"
    raise ModelError(f"There is no encoder {asked!r} in segmentation_models_pytorch or timm: {hint}")


def _statistics(encoder: str) -> Statistics:
    """Mean and std that an encoder's weights expect, as far as its name says."""
    if encoder.startswith(OF_TIMM):
        config = timm.get_pretrained_cfg(encoder.removeprefix(OF_TIMM), allow_unregistered=True)
        return (tuple(config.mean), tuple(config.std)) if config is not None else IMAGENET
    return next((own for start, own in STATISTICS.items() if encoder.startswith(start)), IMAGENET)


def _download(name: str, encoder: str, unet: nn.Module) -> Statistics:
    """smp's pretrained weights into the encoder, from the cache or the hub; mean and std that come with them."""
    settings = smp_encoders[encoder]["pretrained_settings"]
    if not settings:
        raise WeightsError(f"There are no pretrained weights for {name}: {WAYS_ON}")
    place = settings.get("imagenet") or next(iter(settings.values()))
    try:
        with quiet():
            state = safetensors.torch.load_file(_file(name, place, "model.safetensors"))
            config = json.loads(Path(_file(name, place, "config.json")).read_text(encoding="utf-8"))
            unet.get_submodule("encoder").load_state_dict(state)
    except WeightsError:
        raise
    except Exception as error:  # the hub's client has errors of many libraries
        raise unavailable(name, error) from error
    return tuple(config["mean"]), tuple(config["std"])


def _file(name: str, place: Mapping[str, str], filename: str) -> str:
    cached = hub_file(name, f"{place['repo_id']}@{place['revision']}", filename)
    return cached or str(huggingface_hub.hf_hub_download(place["repo_id"], filename, revision=place["revision"]))
