"""Random crop and rotation of whole batches, where the batch lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augment:
    """One affine warp a sample: a rotated, square-on-square crop, brought back to the full size.

    Attributes:
        name: as recipes call it.
        min_crop_scale: smallest side of the crop, as a share of the image's; drawn from [it, 1].
        max_rotation_degrees: largest rotation, either way; drawn from [-it, it].
    """

    name: str
    min_crop_scale: float = 1.0
    max_rotation_degrees: float = 0.0

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images, each warped by itself; what lies outside an image repeats its border.

        Args:
            images: `(b, c, h, w)` float, on any device.
            generator: draws four numbers a sample; with the same state it gives the same warps.

        Returns:
            `(b, c, h, w)`, of the same type and on the same device; `images` itself where there is
            nothing to do.
        """
        if self.min_crop_scale == 1 and self.max_rotation_degrees == 0:
            return images
        theta = self._warps(images.shape, generator).to(images.device)
        # Half-precision coordinates are coarser than a pixel.
        full = images.float()
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        warped = F.grid_sample(full, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return warped.to(images.dtype)

    def _warps(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """`(b, 2, 3)` float32: from an output position to the input's, both in [-1, 1]."""
        batch, _, height, width = shape
        drawn = torch.rand((batch, 4), generator=generator, device=generator.device)
        scale = self.min_crop_scale + (1 - self.min_crop_scale) * drawn[:, 0]
        angle = math.radians(self.max_rotation_degrees) * (2 * drawn[:, 1] - 1)
        shift = (1 - scale)[:, None] * (2 * drawn[:, 2:] - 1)
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        # Positions count half an image as 1, so a rotation of a non-square image mixes two units.
        rows = [cos, -sin * height / width, shift[:, 0], sin * width / height, cos, shift[:, 1]]
        return torch.stack(rows, dim=1).reshape(batch, 2, 3)


# Peng et al. (BMVC 2023) say "random crop and slight rotation" and give no figures. Their code's
# RandomResizedCrop takes as little as 8 % of an image, which can miss the finding altogether; 0.85 of
# the side keeps at least 72 % of it, and 10 degrees turn a corner by less than an eighth of the side.
AUGMENTATIONS: dict[str, Augment] = {
    augment.name: augment
    for augment in (Augment("none"), Augment("ttl", min_crop_scale=0.85, max_rotation_degrees=10.0))
}
