"""Name and weights -> a pretrained network with its own input specification (timm, torchvision)."""

from __future__ import annotations

import difflib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import timm
import torch
import torchvision
from timm.data.config import resolve_model_data_config
from torch import nn

from ttl.errors import ModelError, WeightsError
from ttl.weights import WeightsReport, load_checkpoint

TORCHVISION = "tv:"
PROBE_SECONDS = 3.0
WAYS_ON = "give a local file with --weights FILE, or start from random weights with --weights none"


@dataclass(frozen=True)
class InputSpec:
    """The images that a network takes: side in pixels, and per-channel statistics for pixels in 0..1."""

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str


@dataclass(frozen=True)
class Backbone:
    """A network in eval mode, its classifier included, and what it expects."""

    name: str
    model: nn.Module
    spec: InputSpec
    weights: WeightsReport


def load_backbone(name: str, *, weights: str = "default", image_size: int | None = None, seed: int = 0) -> Backbone:
    """Make a network and load its weights.

    Example:
        >>> import ttl
        >>> ttl.load_backbone("resnet18", weights="none").spec.image_size
        224

    Args:
        name: a timm name, with or without a tag (`densenet121.tv_in1k`), or `tv:NAME` for torchvision.
        weights: `default` (the zoo's pretrained), `none` (random), or the path of a checkpoint.
        image_size: side of the square input in pixels; the network's own by default.
        seed: of what stays random; the caller's generator is left alone.

    Raises:
        ModelError: there is no such network; near names are given.
        WeightsError: the weights can't be had, read, or fitted.
    """
    pretrained = weights == "default"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = _torchvision if name.startswith(TORCHVISION) else _timm
        model, spec, classifier = make(name, pretrained, image_size)
    count = len(model.state_dict())
    if pretrained:
        report = WeightsReport("pretrained", count)
    elif weights == "none":
        report = WeightsReport("none", count)
    else:
        report = load_checkpoint(model, Path(weights), classifier=classifier)
    return Backbone(name, model.eval(), spec, report)


Made = tuple[nn.Module, InputSpec, str | None]


def _timm(name: str, pretrained: bool, image_size: int | None) -> Made:
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise ModelError(_no_such_model(name, base))
    known = {full.partition(".")[2] for full in timm.list_pretrained(f"{base}.*")}
    if tag and tag not in known:
        tags = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise ModelError(f"The model {base} has no pretrained tag {tag!r}: {tags}")
    if pretrained and not known:
        raise WeightsError(f"timm has no pretrained weights for {base}: {WAYS_ON}")
    config = timm.get_pretrained_cfg(name)
    sized = _sized(name, image_size)
    if pretrained:
        with _reachable(name, getattr(config, "hf_hub_id", None)):
            model = timm.create_model(name, pretrained=True, **sized)
    else:
        model = timm.create_model(name, pretrained=False, **sized)
    data = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    size = image_size or int(data["input_size"][-1])
    spec = InputSpec(size, tuple(data["mean"]), tuple(data["std"]), _interpolation(data["interpolation"]))
    return model, spec, _first_name(vars(model)["pretrained_cfg"].get("classifier"))


def _sized(name: str, image_size: int | None) -> dict[str, Any]:
    """`img_size` for the networks that are built for one size; the others don't take it."""
    if image_size is None:
        return {}
    try:
        with torch.device("meta"):
            timm.create_model(name, pretrained=False, img_size=image_size)
    except TypeError:
        return {}
    except Exception as error:
        raise ModelError(
            f"{name} can't be built for images of {image_size} pixels: {str(error).splitlines()[0]}"
        ) from error
    return {"img_size": image_size}


def _torchvision(name: str, pretrained: bool, image_size: int | None) -> Made:
    plain = name.removeprefix(TORCHVISION)
    models = torchvision.models.list_models(module=torchvision.models)
    if plain not in models:
        near = difflib.get_close_matches(plain, models, n=3, cutoff=0.4)
        raise ModelError(f"torchvision has no classification model {plain!r}: {_meant([f'tv:{n}' for n in near])}")
    weights = torchvision.models.get_model_weights(plain).DEFAULT
    if pretrained:
        with _reachable(name, None, url=weights.url):
            model = torchvision.models.get_model(plain, weights=weights)
    else:
        # GoogLeNet and Inception would take seconds for a truncated normal that a checkpoint replaces.
        quick = {"init_weights": False} if plain in ("googlenet", "inception_v3") else {}
        model = torchvision.models.get_model(plain, weights=None, **quick)
    preset = weights.transforms()
    spec = InputSpec(
        image_size or int(preset.crop_size[0]),
        tuple(preset.mean),
        tuple(preset.std),
        preset.interpolation.value,
    )
    return model, spec, _last_linear(model)


def _interpolation(name: str) -> str:
    return name if name in ("bilinear", "bicubic") else "bicubic"


def _first_name(classifier: Any) -> str | None:
    return classifier if isinstance(classifier, str) or classifier is None else classifier[0]


def _last_linear(model: nn.Module) -> str | None:
    return next((name for name, m in reversed(list(model.named_modules())) if isinstance(m, nn.Linear)), None)


def _no_such_model(name: str, base: str) -> str:
    if name.startswith("unet:"):
        return f"Segmentation networks ({name}) aren't there yet: give a timm name or tv:NAME"
    models = timm.list_models()
    near = difflib.get_close_matches(base, models, n=3, cutoff=0.6) or [m for m in models if m.startswith(base[:5])][:3]
    return f"timm has no model {name!r}: {_meant(near)}"


def _meant(near: list[str]) -> str:
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "see `python -c 'import timm; print(timm.list_models())'` for the names"


@contextmanager
def _reachable(name: str, hub_id: str | None, url: str | None = None) -> Iterator[None]:
    """Download quietly, and fail in seconds where there is no network: the hub's client would try for a minute."""
    if not _cached(hub_id, url) and not _answers(url or os.environ.get("HF_ENDPOINT", "https://huggingface.co")):
        raise WeightsError(f"The pretrained weights of {name} can't be downloaded, there is no network: {WAYS_ON}")
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        raise WeightsError(
            f"The pretrained weights of {name} can't be had ({type(error).__name__}): {WAYS_ON}"
        ) from error
    finally:
        logger.setLevel(level)


def _cached(hub_id: str | None, url: str | None) -> bool:
    if url is not None:
        return (Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]).is_file()
    if hub_id is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(hub_id, file), str) for file in ("model.safetensors", "pytorch_model.bin")
    )


def _answers(url: str) -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    parts = urlparse(url)
    proxies = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    if any(os.environ.get(proxy) for proxy in proxies):
        return True  # the proxy resolves the name: this machine may not
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False
