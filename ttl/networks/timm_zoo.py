"""Networks of timm, by name with or without a tag: `densenet121.tv_in1k`."""

from __future__ import annotations

from typing import Any

import timm
from timm.data.config import resolve_model_data_config
from torch import nn

from ttl.errors import ModelError, WeightsError
from ttl.networks.download import WAYS_ON, hub_file, quiet, require_url, unavailable
from ttl.networks.names import did_you_mean, timm_names
from ttl.networks.spec import Built, InputSpec, last_child
from ttl.words.sides import Sides, across, short


def build_timm(name: str, *, pretrained: bool, sides: Sides | None) -> Built:
    """Make a network of timm's, its pretrained weights loaded where they are asked for.

    Raises:
        ModelError: there is no such name or tag, or the network can't have this input size.
        WeightsError: the pretrained weights can't be had.
    """
    base, dot, tag = name.partition(".")
    if base not in timm_names():
        raise ModelError(f"timm has no model {name!r}: {did_you_mean(name)}")
    tags = sorted(t for t in (full.partition(".")[2] for full in timm.list_pretrained(f"{base}.*")) if t)
    if dot and tag not in tags:
        has = f"it has {', '.join(tags)}" if tags else f"it has none, give {base} alone"
        raise ModelError(f"The model {base} has no pretrained tag {tag!r}: {has}")
    overlay = {"pretrained_cfg_overlay": _local(name)} if pretrained else {}
    model = _create(name, sides, {"pretrained": pretrained, **overlay})
    classifier = vars(model)["pretrained_cfg"].get("classifier") or last_child(model)
    data = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    interpolation = "bilinear" if data["interpolation"] == "bilinear" else "bicubic"
    spec = InputSpec(sides or tuple(data["input_size"][1:]), tuple(data["mean"]), tuple(data["std"]), interpolation)
    return Built(model, spec, (classifier,) if isinstance(classifier, str) else tuple(classifier))


def _local(name: str) -> dict[str, Any]:
    """What makes timm read the weights from the cache; empty where they must be downloaded, and can be."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise WeightsError(f"timm has no pretrained weights for {name}: {WAYS_ON}")
    if config.hf_hub_id:
        file = hub_file(name, config.hf_hub_id, config.hf_hub_filename)
        # From the hub timm reads a state dict even where its own format at `url` needs a custom reader.
        return {"file": file, "custom_load": False} if file else {}
    if isinstance(config.url, str):
        require_url(name, config.url)
    return {}


def _create(name: str, sides: Sides | None, options: dict[str, Any]) -> nn.Module:
    """The network, with its input size if it is built for one (as transformers with fixed positions are)."""
    sized: dict[str, Any] = {} if sides is None else {"img_size": short(sides)}
    try:
        with quiet():
            return timm.create_model(name, **options, **sized)
    except Exception as error:
        if isinstance(error, TypeError) and "img_size" in str(error):
            return _create(name, None, options)
        if options["pretrained"]:
            _create(name, sides, {"pretrained": False})
            raise unavailable(name, error) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        size = f" for images of {across(sides)} pixels" if sides else ""
        raise ModelError(f"{name} can't be built{size} ({reason}): give another --image-size or --model") from error
