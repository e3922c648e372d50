"""What fine-tuning changed: canonical correlations of every point's features before and after it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import nn

from ttl.cut.head import HEAD
from ttl.cut.truncation import Features
from ttl.cut.unet import DECODER, SEGMENTATION_HEAD
from ttl.errors import UsageError
from ttl.export.bundle import load_bundle
from ttl.finetune import normalised
from ttl.run.prepared import Prepared
from ttl.search.strategies.svcca import OVERLAP, Similarity
from ttl.stats.similarity import SAMPLES_PER_DIMENSION, draws, svcca
from ttl.study.study import Study, trial_id

SVCCA = "svcca.json"
DRAWS = 20
MOST_CHANNELS = 64
MOST_IMAGES = 1024
BATCH = 64
PLACES_PER_PATCH = 4
"""Places that are kept of each point's maps, for one that a draw takes."""


@dataclass(frozen=True)
class Size:
    """What every point is compared at (Raghu et al. 2019, appendix C)."""

    images: int
    patches: int
    channels: int


def common_size(prepared: Prepared) -> Size:
    """The largest that every candidate's features have, with ten patches a channel.

    Raises:
        UsageError: there are too few training images.
    """
    points = prepared.candidates
    images = min(MOST_IMAGES, len(prepared.task.train))
    places = min(images * _positions(point.shape, point.channel_axis) for point in points)
    channels = min(MOST_CHANNELS, places // SAMPLES_PER_DIMENSION, *(point.channels for point in points))
    if channels < 2:
        raise UsageError(
            f"--strategy svcca needs at least {2 * SAMPLES_PER_DIMENSION} training images, and there are {images}: use "
            "another strategy"
        )
    return Size(images, SAMPLES_PER_DIMENSION * channels, channels)


def similarities(prepared: Prepared, study: Study, tuned: Sequence[Mapping[str, Any]]) -> dict[str, Similarity]:
    """SVCCA between the pretrained network and its fine-tunes, and between random features, at every candidate.

    Kept whole in the run folder, and read again by a later call.

    Args:
        prepared: the run.
        study: holds the fine-tunes.
        tuned: records of the highest candidate's fine-tunes, one a seed.

    Raises:
        UsageError: there are too few training images.
    """
    names = [point.name for point in prepared.candidates]
    identity = trial_id({"trials": [record["id"] for record in tuned], "points": names})
    known = study.read(SVCCA)
    if known is None or known["identity"] != identity:
        size = common_size(prepared)
        found = _measured(prepared, study, tuned, size)
        rows = [{"cut": name, **similarity.to_json()} for name, similarity in found.items()]
        known = {"identity": identity, **vars(size), "draws": DRAWS, "threshold": OVERLAP, "points": rows}
        study.write(SVCCA, known)
    return {row["cut"]: Similarity.from_json(row) for row in known["points"]}


def _measured(
    prepared: Prepared, study: Study, tuned: Sequence[Mapping[str, Any]], size: Size
) -> dict[str, Similarity]:
    generator = torch.Generator().manual_seed(prepared.config.seed)
    independent = torch.randn(2, DRAWS, size.patches, size.channels, generator=generator, dtype=torch.float64)
    chance = tuple(_coefficients(independent[0], independent[1]))
    pooled: dict[str, list[float]] = {point.name: [] for point in prepared.candidates}
    for record in tuned:
        network = prepared.network(record["seed"])
        before, after = (
            _features(prepared, each, size) for each in (network, _tuned(network, prepared, study, record))
        )
        for name in pooled:
            x, y = draws(
                before[name],
                after[name],
                patches=size.patches,
                channels=size.channels,
                n_draws=DRAWS,
                generator=generator,
            )
            pooled[name] += _coefficients(x, y)
    return {name: Similarity(tuple(values), chance) for name, values in pooled.items()}


def _coefficients(x: torch.Tensor, y: torch.Tensor) -> Iterator[float]:
    """Of all draws one after another, over the directions that both sets have."""
    found = svcca(x, y)
    for row, rank in zip(found.coefficients.tolist(), found.rank.tolist(), strict=True):
        yield from row[:rank]


def _tuned(network: nn.Module, prepared: Prepared, study: Study, record: Mapping[str, Any]) -> nn.Module:
    """The pretrained network with the weights of its fine-tune."""
    model, _ = load_bundle(study.trial_folder(record["id"]), backbone=prepared.backbone.model)
    fresh = (f"{HEAD}.", f"{DECODER}.", f"{SEGMENTATION_HEAD}.")
    learned = {name: value for name, value in model.state_dict().items() if not name.startswith(fresh)}
    after = copy.deepcopy(network)
    after.load_state_dict({**after.state_dict(), **learned})
    return after


def _features(prepared: Prepared, network: nn.Module, size: Size) -> dict[str, torch.Tensor]:
    """Point name -> `(images, channels, places, 1)`: places drawn from each training image's map, unaugmented."""
    spec, seed = prepared.backbone.spec, prepared.config.seed
    each = ceil(PLACES_PER_PATCH * size.patches / size.images)
    pixels = prepared.stills("train")
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))[: size.images]
    network.to(prepared.device)
    places = _Places(each)
    features = Features(network, list(prepared.candidates), places)
    parts = []
    for places.seed, chosen in enumerate(torch.split(order, BATCH), start=seed):
        images = normalised(pixels[chosen].to(prepared.device), spec.mean, spec.std)
        parts.append({name: value[..., None].cpu() for name, value in features(images).items()})
    network.to("cpu")
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class _Places:
    """Takes at most `each` of the positions, other ones for each image, but the same in all features of one size."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.seed = 0

    def __call__(self, feature: torch.Tensor) -> torch.Tensor:
        n, channels, positions = feature.shape
        if positions <= self.each:
            return feature
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.rand(n, positions, generator=generator).argsort(1)[:, : self.each].to(feature.device)
        return feature.gather(2, chosen[:, None].expand(n, channels, self.each))


def _positions(shape: Sequence[int], channel_axis: int) -> int:
    return torch.Size(shape).numel() // shape[channel_axis]
