"""The joint fine-tune: its network, what its heads say of the points, and what a cut takes over from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, isnan, nan
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import nn

from ttl.cut.head import HEAD, PixelHead
from ttl.cut.joint_network import with_heads
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.errors import RunFolderError
from ttl.finetune import normalised
from ttl.finetune.trainable import batch_norms, bn_momentum
from ttl.run.prepared import Prepared
from ttl.run.probing import linear_probe
from ttl.run.sampled import sampled_pixels
from ttl.search.strategies.probe import Probed
from ttl.search.strategy import Start
from ttl.stats import metrics, paired_difference
from ttl.study.study import Study

WEIGHTS = "joint.safetensors"
JOINT_SHARE = 0.5
"""Of the epochs that a fine-tune may have, for the joint network; the rest is left to the point that it speaks for."""
BATCH = 64
HEADS = 1e-3
"""C of the probes that heads begin as: one that fits the training images to the full leaves the trunk no gradient."""
ONE_STANDARD_ERROR = 0.6827
"""The confidence of an interval that is one standard error wide to either side."""


def joint_epochs(prepared: Prepared) -> int | None:
    """At most so many for the joint network; None leaves it to the recipe's stop rule."""
    cap = prepared.config.epochs
    return None if cap is None else max(1, round(JOINT_SHARE * cap))


def joint_start(prepared: Prepared) -> Start:
    """What the point that a joint search picks begins with."""
    # A U-Net's decoder has learned nothing in the joint network, and needs all of its epochs.
    return "pretrained" if prepared.segments else "joint"


def joint_network(prepared: Prepared, seed: int) -> nn.Module:
    """The network up to the highest candidate, with a head at each of them.

    Each head begins as a linear probe: random ones would need more steps than a small data set has in half the epochs,
    and pull the trunk about meanwhile (linear probing, then fine-tuning: Kumar et al., ICLR 2022).
    """
    network = prepared.network(seed)
    joint = with_heads(
        network,
        prepared.candidates,
        num_classes=prepared.outputs,
        pool=prepared.config.pool,
        dropout=prepared.dropout,
        seed=seed,
    )
    if prepared.config.pool == "none":
        return joint  # a probe of whole feature maps has more weights than there is to learn from, or room for
    heads = list(joint.get_submodule(HEAD).children())
    task = prepared.task
    if prepared.segments:
        _probe_pixels(prepared, network, heads)
        return joint
    for head, features in zip(heads, _head_inputs(prepared, joint, heads), strict=True):
        probe = linear_probe(task.kind, len(task.class_names), features, np.asarray(task.train.labels), HEADS)
        if probe is not None:
            head.get_submodule("fc").load_state_dict(
                {"weight": torch.from_numpy(probe[0]), "bias": torch.from_numpy(probe[1])}
            )
    return joint


def _probe_pixels(prepared: Prepared, network: nn.Module, heads: Sequence[nn.Module]) -> None:
    """Linear probes of the pixels of `network`, for the heads to begin as."""
    pixels = sampled_pixels(prepared, network)
    for head, point in zip(heads, prepared.candidates, strict=True):
        classes = len(prepared.task.class_names)
        kind = "binary" if classes == 2 else "multiclass"
        if not (isinstance(head, PixelHead) and isinstance(point, UNetPoint)):
            raise TypeError(f"{point.name} has no head for pixels")
        probe = linear_probe(kind, classes, pixels.at(point), pixels.labels, HEADS)
        if probe is not None:
            weight, bias = map(torch.from_numpy, probe)
            one = prepared.outputs == 1
            head.load(weight[1:] - weight[:1] if one else weight, bias[1:] - bias[:1] if one else bias)


def _head_inputs(prepared: Prepared, joint: nn.Module, heads: Sequence[nn.Module]) -> list[npt.NDArray[np.float32]]:
    """Of each head what its linear layer is given for the training images, unaugmented: `(n, width)`."""
    seen: list[list[npt.NDArray[np.float32]]] = [[] for _ in heads]

    def look(number: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _, inputs: seen[number].append(inputs[0].detach().float().cpu().numpy())

    hooks = [head.get_submodule("fc").register_forward_pre_hook(look(number)) for number, head in enumerate(heads)]
    spec, pixels = prepared.backbone.spec, prepared.images["train"].pixels
    joint.to(prepared.device).eval()
    for norm in batch_norms(joint):
        norm.train(prepared.recipe.phases[-1].bn == "train")  # the heads are to begin with what they learn from
    with torch.no_grad(), bn_momentum(joint, 0.0):
        for batch in torch.tensor_split(pixels, ceil(len(pixels) / BATCH)):
            joint(normalised(batch.to(prepared.device), spec.mean, spec.std))
    joint.to("cpu")
    for hook in hooks:
        hook.remove()
    return [np.concatenate(parts) for parts in seen]


def warm_start(model: nn.Module, prepared: Prepared, point: TruncationPoint, study: Study, joint: str) -> int:
    """Give a truncated model what the joint network learned up to its point, and the head it learned there.

    Args:
        model: truncated at `point`; changed in place.
        prepared: the run.
        point: one of the candidates.
        study: holds the joint fine-tune.
        joint: its identity.

    Returns:
        the epochs that are left to the model's own fine-tune: of the run's cap what the joint network didn't have, or
        without one its share of what the joint network's stop rule let it have.

    Raises:
        RunFolderError: the joint fine-tune's files are gone or damaged.
    """
    folder = study.trial_folder(joint)
    number = [candidate.name for candidate in prepared.candidates].index(point.name)
    try:
        state = safetensors.torch.load_file(folder / WEIGHTS)
        epochs = int((study.trial(joint) or {})["epochs"])
        own = {name: name.replace(f"{HEAD}.", f"{HEAD}.{number}.", 1) for name in model.state_dict()}
        model.load_state_dict({name: state[source] for name, source in own.items()})
    except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise RunFolderError(
            f"The joint fine-tune in {folder} can't be read ({str(error).splitlines()[0]}): remove the folder and give "
            "the same command again"
        ) from error
    cap = prepared.config.epochs
    return max(1, round((1 - JOINT_SHARE) * epochs) if cap is None else cap - epochs)


def curve_of_heads(prepared: Prepared, records: Sequence[Mapping[str, Any]]) -> dict[str, Probed]:
    """What the heads of the joint networks, one a seed, say of the points.

    Args:
        prepared: the run.
        records: of the joint fine-tunes.

    Returns:
        point name -> mean validation score over the seeds, and the standard error of its difference to the best
        point's, both scored on the same images (bootstrap; the mean over the seeds).
    """
    predicted = np.array([record["predictions"]["val"] for record in records], np.float64)  # (seeds, n, points, ...)
    samples, kind, metric = prepared.task.val, prepared.task.kind, prepared.metric
    names = [point.name for point in prepared.candidates]

    def score(head: int) -> float:
        return fmean(metrics(kind, samples.labels, seed[:, head], (metric,))[metric] for seed in predicted)

    def error(head: int, best: int) -> float:
        found = [
            paired_difference(
                metric,
                kind,
                samples.labels,
                seed[:, head],
                seed[:, best],
                groups=samples.groups,
                seed=prepared.config.seed,
                confidence=ONE_STANDARD_ERROR,
            )
            for seed in predicted
        ]
        return fmean((estimate.ci_high - estimate.ci_low) / 2 for estimate in found)

    scores = [score(head) for head in range(len(names))]
    known = [head for head in range(len(names)) if not isnan(scores[head])]
    if not known:
        return {name: Probed(nan, nan) for name in names}
    best = max(known, key=scores.__getitem__)
    return {name: Probed(scores[head], error(head, best) if head in known else nan) for head, name in enumerate(names)}
