"""Small images and data folders made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def noise(seed: int, size: tuple[int, int] = (12, 10), channels: int = 1) -> npt.NDArray[np.uint8]:
    """`(h, w)` or `(h, w, 3)` uint8; `size` is width, height."""
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: npt.NDArray[np.uint8] | None = None, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(noise(sum(path.name.encode())) if pixels is None else pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def class_folders(root: Path, counts: dict[str, int]) -> Path:
    """`counts`: folder ("a", "train/a") -> PNG images in it, named 0.png, 1.png, ..., all different."""
    for number, (folder, count) in enumerate(counts.items()):
        for i in range(count):
            save(root / folder / f"{i}.png", noise(1000 * number + i))
    return root


def flip_byte(path: Path, position: int) -> Path:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    return path


def truncate_file(path: Path, keep: float = 0.5) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def manifest(folder: Path, *, several: bool = False, patients: int = 10) -> Path:
    """Forty images of ten patients; labels of two classes, or three labels each with gaps."""
    rng = np.random.default_rng(0)
    rows = ["path,patient,grade" if not several else "path,patient,edema,mass,nodule"]
    for i in range(40):
        save(folder / "img" / f"{i}.png", noise(i, (40, 40)))
        labels = [("", "-1", "0", "1")[k] for k in rng.choice(4, 3, p=[0.1, 0.1, 0.4, 0.4])] if several else "ab"[i % 2]
        rows.append(f"img/{i}.png,P{i % patients},{','.join(labels)}")
    path = folder / "set.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Pixels:
    """`(h, w)` uint8 with detail from coarse to fine, as photographs have it; `size` is width, height."""
    total = np.zeros((size[1], size[0]))
    for octave, cells in enumerate((3, 6, 12, 24)):
        coarse = Image.fromarray(noise(100 * seed + octave, (cells, cells)))
        total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) / 2**octave
    return np.rint(total * 255 / total.max()).astype(np.uint8)
