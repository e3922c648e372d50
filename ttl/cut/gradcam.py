"""Grad-CAM: where in an image a class is supported, as fractions of the strongest support (Selvaraju et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.cut.head import HEAD, Head
from ttl.cut.surgery import eval_mode
from ttl.errors import ModelError


def grad_cam(model: nn.Module, images: torch.Tensor, target_class: int | Sequence[int]) -> npt.NDArray[np.float32]:
    """How much each place of the feature map that the head reads supports a class.

    The map of class c is `relu(sum_k a_k A_k)`, where `A_k` is a channel of the feature map and `a_k` the mean over
    all places of the gradient of c's logit (before softmax) with respect to it (Selvaraju et al., ICCV 2017, eq. 1
    and 2), in eval mode and divided by its own maximum. `model` keeps its mode, and no gradient is left behind.

    Args:
        model: as `truncate` returns it, with a head; cut anywhere, also at the last point.
        images: `(n, channels, h, w)`, normalised, on the model's device.
        target_class: the class, or one for each image.

    Returns:
        `(n, rows, columns)` float32 in 0..1, of the size of the feature map; all 0 where nothing supports the class.

    Raises:
        ModelError: there is no such head, or what it reads is no feature map: it has no rows and columns.
    """
    head = dict(model.named_children()).get(HEAD)
    if not isinstance(head, Head):
        raise ModelError(f"{type(model).__name__} has no head of ttl's: give a model that ttl.truncate returned")
    if len(head.positions) != 2:
        raise ModelError(
            "Grad-CAM needs a head that reads a feature map with rows and columns, and this one reads "
            f"{'tokens' if head.positions else 'a vector'}: cut lower, or at a convolutional network"
        )
    with eval_mode(model):
        feature = _read_by(head, model, images)
        with torch.enable_grad():
            feature.requires_grad_()
            logits = head(feature)
            wanted = torch.as_tensor(target_class, device=logits.device).expand(len(logits))
            (gradient,) = torch.autograd.grad(logits.gather(1, wanted[:, None]).sum(), feature)
    weights = gradient.mean(head.positions, keepdim=True)
    channel_axis = next(axis for axis in (1, 2, 3) if axis not in head.positions)
    maps = torch.relu((weights * feature.detach()).sum(channel_axis)).float()
    strongest = maps.amax((1, 2), keepdim=True)
    shares = torch.where(strongest > 0, maps / strongest.clamp_min(torch.finfo(maps.dtype).tiny), 0)
    return cast(npt.NDArray[np.float32], shares.cpu().numpy())


def _read_by(head: Head, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The feature that the head is given, a tensor of its own."""
    taken: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, arguments: taken.append(arguments[0].detach().clone()))
    try:
        with torch.no_grad():
            model(images)
    finally:
        hook.remove()
    return taken[0]
