from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ttl.data.modality.overlay import HUE, OPAQUE, heat, heat_colour, rgb


def test_a_share_of_one_is_the_hue_and_of_nothing_the_image() -> None:
    drawn = Image.open(io.BytesIO(heat(np.full((1, 4, 4), 100, np.uint8), np.array([[0.0, 1.0]], np.float32))))
    pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape == (160, 160, 3)
    assert pixels[80, 0].tolist() == [100, 100, 100]
    full = [100 + OPAQUE * (value - 100) for value in rgb(HUE)]
    assert np.abs(pixels[80, -1] - np.array(full)).max() < 3


def test_more_of_the_hue_is_more_support_and_a_map_has_two_axes() -> None:
    reds = [rgb(heat_colour(share)) for share in (0.0, 0.5, 1.0)]
    assert reds[0] == (150, 150, 150)
    assert reds[0][2] > reds[1][2] > reds[2][2]
    with pytest.raises(ValueError, match=r"a map is \(rows, columns\), and this one is \(2,\)"):
        heat(np.zeros((1, 4, 4), np.uint8), np.zeros(2, np.float32))
