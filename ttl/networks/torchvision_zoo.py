"""Classification networks of torchvision: `tv:NAME`."""

from __future__ import annotations

from typing import Any

import torchvision
from torch import nn

from ttl.errors import ModelError
from ttl.networks.download import quiet, require_url, unavailable
from ttl.networks.names import TORCHVISION, did_you_mean, torchvision_names
from ttl.networks.spec import Built, InputSpec, last_child
from ttl.networks.weights import fit
from ttl.words.sides import Sides, across

AS_PUBLISHED = {"transform_input": True, "aux_logits": False, "init_weights": False}
"""GoogLeNet and Inception as their weights want them: with their own input scaling, always; without the side
classifiers that only their first training used; and without an init that takes seconds."""


def build_torchvision(name: str, *, pretrained: bool, sides: Sides | None) -> Built:
    """Make a network of torchvision's, its default pretrained weights loaded where they are asked for.

    Raises:
        ModelError: there is no such name, or the network can't have this input size.
        WeightsError: the pretrained weights can't be had.
    """
    plain = name.removeprefix(TORCHVISION)
    if plain not in torchvision_names():
        raise ModelError(f"torchvision has no classification model {plain!r}: {did_you_mean(name)}")
    weights = torchvision.models.get_model_weights(plain).DEFAULT
    if pretrained:
        require_url(name, weights.url)
    preset = weights.transforms()
    sides = sides or (int(preset.crop_size[0]),) * 2
    spec = InputSpec(sides, tuple(preset.mean), tuple(preset.std), preset.interpolation.value)
    built = Built(model := _create(name, plain, sides), spec, last_child(model))
    if pretrained:
        try:
            state = weights.get_state_dict(check_hash=True)
        except Exception as error:
            raise unavailable(name, error) from error
        fit(model, state, source="of torchvision", network=name, classifier=built.classifier)
    return built


def _create(name: str, plain: str, sides: Sides) -> nn.Module:
    """The network with whichever of the options it takes: one that it doesn't is refused before any work."""
    square: tuple[dict[str, Any], ...] = ({"image_size": sides[0]},) if len(set(sides)) == 1 else ()
    takes: tuple[dict[str, Any], ...] = (*square, {"input_size": sides}, AS_PUBLISHED, {})
    for options in takes:
        try:
            with quiet():
                model: nn.Module = torchvision.models.get_model(plain, weights=None, **options)
                return model
        except TypeError as error:
            if not options or not any(option in str(error) for option in options):
                raise
        except Exception as error:
            raise ModelError(
                f"{name} can't be built for images of {across(sides)} pixels ({str(error).splitlines()[0]}): "
                "give another --image-size or --model"
            ) from error
    raise ModelError(f"{name} can't be built")
