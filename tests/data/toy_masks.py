"""Small images with masks, whose files a test names itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ttl.data import Task, load_task
from ttl.data.readers.mask_set import read_masks
from ttl.data.readers.readable import Reading
from ttl.data.records import Records

from .toys import noise

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 10, 12


def block(value: int = 255, rows: slice = slice(2, 5), columns: slice = slice(1, 7)) -> Pixels:
    """A mask of 0 with a rectangle of a value: 18 pixels, unless other rows and columns are given."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[rows, columns] = value
    return mask


def put(path: Path, pixels: Pixels | Image.Image, orientation: int | None = None) -> Path:
    """Saves an image, with an EXIF orientation where one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **({"exif": exif} if orientation is not None else {}))
    return path


def images(folder: Path, names: Iterable[object], ending: str = ".png") -> None:
    """Images of noise, each another."""
    for name in names:
        put(folder / f"{name}{ending}", noise(sum(f"{folder.name}{name}".encode()), (WIDTH, HEIGHT)))


def masks(folder: Path, names: Iterable[object], mask: Pixels | None = None, ending: str = ".png") -> None:
    """The same mask under several names."""
    for name in names:
        put(folder / f"{name}{ending}", block() if mask is None else mask)


def indexed(indices: Pixels, colours: str) -> Image.Image:
    """A mask with a palette: `colours` are those of 0, 1, ... as `000000 ff0000`."""
    image = Image.fromarray(indices, "P")
    image.putpalette([value for colour in colours.split() for value in bytes.fromhex(colour)])
    return image


def records(root: Path, **options: object) -> Records:
    """What is read of a segmentation set."""
    found = read_masks(root, Reading(**options))  # type: ignore[arg-type]
    assert found is not None
    assert found.masks is not None
    return found


def pixel_counts(found: Records) -> dict[str, list[int]]:
    """Image -> pixels of each class, and last the unlabelled ones."""
    assert found.masks is not None
    return dict(zip(found.ids, found.masks.pixel_counts.tolist(), strict=True))


def mask_of(found: Records, name: str) -> list[list[int]]:
    """The classes of the pixels of an image."""
    assert found.masks is not None
    loaded: list[list[int]] = found.masks.load(found.ids.index(name)).tolist()
    return loaded


def ids_by_split(root: Path, **options: object) -> dict[str, set[str]]:
    task: Task = load_task(root, **options)  # type: ignore[arg-type]
    return {split: set(samples.ids) for split, samples in task.splits.items()}


def labels_by_id(root: Path, **options: object) -> dict[str, str]:
    """Image -> its class."""
    task: Task = load_task(root, **options)  # type: ignore[arg-type]
    return {
        name: task.class_names[label]
        for samples in task.splits.values()
        for name, label in zip(samples.ids, samples.labels.tolist(), strict=True)
    }
