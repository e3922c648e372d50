from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ttl.deliver.pictures.cases import CamCases
from ttl.report import render
from ttl.report.page_blocks import Gallery, Prose
from ttl.report.sections.pictured_cases import gradcam_pictures

from . import example
from .example import changed
from .pages import words


def test_a_case_shows_the_image_and_both_networks_with_what_they_say(tmp_path: Path) -> None:
    example.draw_cams(tmp_path)
    section = gradcam_pictures(example.finished(), tmp_path)
    assert section is not None
    gallery = section.blocks[1]
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


def test_maps_of_one_size_are_not_called_finer() -> None:
    section = gradcam_pictures(changed(example.finished(), "cams.cases.0.map_size.chosen", (4, 4)), None)
    assert section is not None
    assert isinstance(section.blocks[1], Gallery)
    assert section.blocks[1].caption.endswith(
        "Places of the map: whole network 4 × 4, truncated network 4 × 4."  # noqa: RUF001
    )


def test_without_maps_the_reason_is_there_or_nothing_at_all() -> None:
    missing = CamCases(missing="Grad-CAM needs a feature map, and this one reads tokens")
    section = gradcam_pictures(replace(example.finished(), cams=missing), None)
    assert section is not None
    assert section.blocks == (
        Prose("There are no maps (Grad-CAM): Grad-CAM needs a feature map, and this one reads tokens."),
    )
    assert gradcam_pictures(example.unfinished(), None) is None


def test_of_the_whole_network_alone_there_is_one_map_a_case() -> None:
    page = words(example.whole_network())
    assert "Where the network looks" in page
    assert "truncated network" not in " ".join(page)
    assert any(word.startswith("Test images that the network got right and wrong") for word in page)
