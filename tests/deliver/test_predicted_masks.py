"""Where the masks of a folder of images go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ttl.data import ImageList, read_image_lists
from ttl.data.modality.rendering import AS_FILED
from ttl.deliver.pictures.predicted_masks import draw_masks


class Brighter:
    """Foreground is what is brighter than half."""

    contract = SimpleNamespace(
        decoding=SimpleNamespace(rendering=AS_FILED),
        channels=1,
        class_names=("background", "foreground"),
        mask_threshold=None,
    )

    def maps(self, images: list[np.ndarray]) -> Iterator[np.ndarray]:
        for image in images:
            yield np.stack([image[0] < 128, image[0] >= 128]).astype(np.float32)


@pytest.mark.parametrize(
    ("names", "masks"),
    [
        (["a.png", "b.bmp"], ["a.png", "b.png"]),
        (["a.png", "a.bmp", "b.bmp"], ["a.png.png", "a.bmp.png", "b.png"]),
        (["a.png", "c/a.bmp"], ["a.png", "c/a.png"]),
        (["a.bmp", "a.png", "a.bmp.png"], ["a.bmp.png", "a.png.png", "a.bmp.png.png"]),
    ],
)
def test_no_mask_overwrites_another(tmp_path: Path, names: list[str], masks: list[str]) -> None:
    root, out = tmp_path / "images", tmp_path / "out"
    paths = [root / name for name in names]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 255 * (i % 2)).save(path)
    rows = list(draw_masks(Brighter(), ImageList(tuple(paths), ("",) * len(paths), root), out))
    assert [row.mask.relative_to(out / "masks").as_posix() for row in rows] == masks
    for i, row in enumerate(rows):
        assert (np.asarray(Image.open(row.mask)) == 255 * (i % 2)).all()
        assert row.overlay.is_file()


def test_one_image_has_its_own_name(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.bmp")
    (row,) = draw_masks(Brighter(), read_image_lists([tmp_path / "a.bmp"]), tmp_path / "out")
    assert row.mask == tmp_path / "out" / "masks" / "a.png"
