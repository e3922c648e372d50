from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.report import render
from ttl.report.blocks import Gallery, Prose
from ttl.report.heat import HUE, OPAQUE, heat, heat_colour
from ttl.report.overlay import rgb
from ttl.report.reading import read
from ttl.report.sections.cams import where_it_looks

from . import example
from .test_page import Page


def test_a_case_shows_the_image_and_both_networks_with_what_they_say(tmp_path: Path) -> None:
    example.draw_looks(tmp_path)
    found = where_it_looks(read(example.finished(), tmp_path))
    assert found is not None
    gallery = found.blocks[1]
    assert isinstance(gallery, Gallery)
    pictures = gallery.cases[1].pictures
    assert [(picture.caption, picture.note) for picture in pictures] == [
        ("image: normal", ""),
        ("whole network", "says normal, 81%, right"),
        ("truncated network", "says pneumonia, 97%, wrong"),
    ]
    assert pictures[2].alt == (
        "What speaks for pneumonia in normal/7.png in the truncated network, which says pneumonia, 97%, wrong."
    )
    assert "(whole network 4 × 4, truncated network 14 × 14)" in gallery.caption  # noqa: RUF001
    assert render(example.finished(), tmp_path).count("data:image/png;base64,") == 6


def test_without_maps_the_reason_is_told_or_nothing_at_all() -> None:
    study = example.finished()
    study["cams"] = {"missing": "Grad-CAM needs a feature map, and this one reads tokens"}
    found = where_it_looks(read(study))
    assert found is not None
    assert found.blocks == (
        Prose("There are no maps (Grad-CAM): Grad-CAM needs a feature map, and this one reads tokens."),
    )
    assert where_it_looks(read(example.unfinished())) is None


def test_of_the_whole_network_alone_there_is_one_map_a_case() -> None:
    words = Page(render(example.whole_network())).words
    assert "Where the network looks" in words
    assert "truncated network" not in " ".join(words)
    assert any(word.startswith("Test images that the network got right and wrong") for word in words)


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
