"""Random crop, rotation, shift, zoom and flips of whole batches, where the batch lies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ttl.errors import UsageError


@dataclass(frozen=True)
class Augment:
    """One affine warp a sample: crop, rotation, shift, zoom and flips in one interpolation."""

    name: str
    min_crop_scale: float = 1.0  # smallest side of the crop, as a share of the image's; drawn from [it, 1]
    max_rotation_degrees: float = 0.0
    max_shift: float = 0.0  # along each axis, as a share of the side; drawn from [-it, it], as rotation and zoom are
    max_zoom: float = 0.0  # largest change of size, in or out
    flips: str = ""  # the axes that are mirrored half of the time, of `h` (left and right) and `v` (top and bottom)
    padding: Literal["border", "reflection"] = "border"
    """What lies outside an image: `border` repeats it, `reflection` mirrors the image."""

    @property
    def _has_others(self) -> bool:
        return bool(self.max_shift or self.max_zoom or self.flips)

    @property
    def _is_nothing(self) -> bool:
        return self.min_crop_scale == 1 and self.max_rotation_degrees == 0 and not self._has_others

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """What decides the warps of `n` images: a row each of numbers in [0, 1), the same for the same state.

        Four for crop and rotation, then five for shift, zoom and flips; none of what isn't done.
        """
        counts = () if self._is_nothing else (4, 5) if self._has_others else (4,)
        drawn = [torch.rand((n, count), generator=generator, device=generator.device) for count in counts]
        return torch.cat([torch.empty(n, 0, device=generator.device), *drawn], dim=1)

    @torch.no_grad()
    def __call__(self, images: Tensor, drawn: Tensor, *, nearest: bool = False) -> Tensor:
        """The images, each warped by itself; the very same where there is nothing to do.

        Images are `(b, c, h, w)` float, on any device, and `drawn` is `(b, numbers)` of `draw`. `nearest` takes the
        value of the nearest pixel: for masks, where the mean of two classes is no class.
        """
        if self._is_nothing:
            return images
        theta = self._warps(images.shape, drawn).to(images.device)
        # Half-precision coordinates are coarser than a pixel.
        grid, mode = _grid(theta, *images.shape[2:]), "nearest" if nearest else "bilinear"
        warped = F.grid_sample(images.float(), grid, mode=mode, padding_mode=self.padding, align_corners=False)
        return warped.to(images.dtype)

    def _warps(self, shape: torch.Size, numbers: Tensor) -> Tensor:
        """`(b, 2, 3)` float32: from an output position to the input's, both in [-1, 1]."""
        batch, _, height, width = shape
        drawn, more = numbers[:, :4], numbers[:, 4:]
        scale = self.min_crop_scale + (1 - self.min_crop_scale) * drawn[:, 0]
        angle = math.radians(self.max_rotation_degrees) * (2 * drawn[:, 1] - 1)
        shift = (1 - scale)[:, None] * (2 * drawn[:, 2:] - 1)
        mirror = torch.ones(batch, 2, device=drawn.device)
        if self._has_others:
            shift = shift + 2 * self.max_shift * (2 * more[:, :2] - 1)
            scale = scale * (1 + self.max_zoom * (2 * more[:, 2] - 1))
            allowed = torch.tensor([axis in self.flips for axis in "hv"], device=drawn.device)
            mirror = torch.where((more[:, 3:] < 0.5) & allowed, -1.0, 1.0)
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        # Positions count half an image as 1, so a rotation of a non-square image mixes two units.
        rows = [cos, -sin * height / width, shift[:, 0], sin * width / height, cos, shift[:, 1]]
        theta = torch.stack(rows, dim=1).reshape(batch, 2, 3)
        theta[:, :, :2] *= mirror[:, None, :]  # the output's axes are mirrored, before all else
        return theta


def _grid(theta: Tensor, height: int, width: int) -> Tensor:
    """`F.affine_grid`, `(b, height, width, 2)`, with sums for its product of matrices, slower than interpolating."""
    x, y = (torch.linspace(-1, 1, n, device=theta.device) * ((n - 1) / n) for n in (width, height))
    along_x = theta[:, None, :, 0] * x[:, None]  # (b, width, 2)
    along_y = theta[:, None, :, 1] * y[:, None] + theta[:, None, :, 2]  # (b, height, 2)
    return along_x[:, None] + along_y[:, :, None]


# Peng et al. (BMVC 2023) say "random crop and slight rotation" and give no figures. Their code's
# RandomResizedCrop takes as little as 8 % of an image, which can miss the finding altogether; 0.85 of
# the side keeps at least 72 % of it, and 10 degrees turn a corner by less than an eighth of the side.
AUGMENTATIONS: dict[str, Augment] = {
    augment.name: augment
    for augment in (
        Augment("none"),
        Augment("ttl", min_crop_scale=0.85, max_rotation_degrees=10.0),
        # Kanavati & Tsuneki (MIDL 2021, appendix B), with the flip that they use for chest X-rays and CheXpert;
        # Keras mirrors what lies outside.
        Augment("partial-transfusion", max_shift=0.1, max_zoom=0.1, flips="h", padding="reflection"),
        # What lies under a microscope has no top or left: any rotation and both flips, as U-Nets are trained there.
        Augment("microscopy", max_rotation_degrees=180.0, max_zoom=0.1, flips="hv", padding="reflection"),
    )
}

RANGES = {"min_crop_scale": (0, 1), "max_rotation_degrees": (0, 180), "max_shift": (0, 1), "max_zoom": (0, 1)}
OUT_OF_RANGE = (("min_crop_scale", 0), ("max_zoom", 1))  # of these limits nothing of the image would be left
CHOICES = {"flips": ("", "h", "v", "hv"), "padding": ("border", "reflection")}


def augmentation(asked: str | Mapping[str, Any]) -> Augment:
    """The preset of that name, or the one that a table of `Augment`'s fields describes.

    Raises:
        UsageError: there is no such preset, or a field makes no sense.
    """
    if isinstance(asked, str):
        if asked not in AUGMENTATIONS:
            raise UsageError(f"There is no augmentation {asked!r}: choose one of {', '.join(AUGMENTATIONS)}")
        return AUGMENTATIONS[asked]
    for key, value in asked.items():
        if key not in RANGES | CHOICES:
            raise UsageError(f"Augmentation has no {key!r}: there are {', '.join(RANGES | CHOICES)}")
        if key in CHOICES and value not in CHOICES[key]:
            raise UsageError(f"Augmentation's {key} is {value!r}: choose one of {', '.join(map(repr, CHOICES[key]))}")
        if key in RANGES:
            low, high = RANGES[key]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and low <= value <= high) or (key, value) in OUT_OF_RANGE:
                raise UsageError(f"Augmentation's {key} is {value!r}: give a number from {low} to {high}")
    return Augment("own", **asked)
