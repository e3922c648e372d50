"""The files under a folder, symbolic links followed, loops not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ttl.data.modality.dicom_header import is_bare_dicom
from ttl.data.modality.image import EXTENSIONS
from ttl.errors import DataError

MAC_ARCHIVE = "__MACOSX"  # what unpacking a macOS archive leaves beside the data


@dataclass(frozen=True)
class Content:
    """What lies under a folder, hidden files left out: images by their extensions, and other files, both sorted."""

    images: tuple[Path, ...]
    others: tuple[Path, ...]
    repeated: tuple[Path, ...]  # links to a folder that is read anyway; not entered


def content_of(folder: Path, barred: Iterable[Path] = ()) -> Content:
    """Everything under a folder, at any depth; links under it don't lead into the `barred` folders.

    Raises:
        DataError: a folder in it can't be read.
    """
    seen = {os.path.realpath(path) for path in (folder, *barred)}
    files: list[str] = []
    repeated: list[Path] = []
    for here, names, file_names in os.walk(folder, followlinks=True, onerror=_refuse):
        candidates = sorted(name for name in names if not is_hidden(name))
        names.clear()
        for name in candidates:
            real = os.path.realpath(os.path.join(here, name))
            if real in seen:
                repeated.append(Path(here, name))
            else:
                names.append(name)
            seen.add(real)
        files += [os.path.join(here, name) for name in file_names if not is_hidden(name)]
    files.sort(key=lambda name: name.split(os.sep))  # as paths are sorted, and many times faster
    paths = [Path(name) for name in files]
    images = {path for path in paths if is_image(path)}
    return Content(
        tuple(path for path in paths if path in images),
        tuple(path for path in paths if path not in images),
        tuple(repeated),
    )


def name_in(root: Path, path: Path) -> str:
    """The path from a folder above it on, with slashes between its parts."""
    text, above = str(path), f"{root}{os.sep}"
    return text[len(above) :].replace(os.sep, "/") if text.startswith(above) else path.relative_to(root).as_posix()


def entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files right in a folder, sorted, hidden ones left out.

    Raises:
        DataError: it can't be read.
    """
    folders: list[Path] = []
    files: list[Path] = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if not is_hidden(entry.name):
                    (folders if _is_folder(entry) else files).append(folder / entry.name)
    except OSError as error:
        _refuse(error)
    return sorted(folders), sorted(files)


@dataclass(frozen=True)
class Glance:
    """The folders right in a folder, sorted, and whether images are; hidden ones left out."""

    folders: tuple[Path, ...]
    has_images: bool


def glance(folder: Path) -> Glance:
    """What a folder is for, without a path for each of its files.

    Raises:
        DataError: it can't be read.
    """
    folders, has_images = [], False
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if is_hidden(entry.name):
                    continue
                if _is_folder(entry):
                    folders.append(folder / entry.name)
                else:
                    has_images = has_images or os.path.splitext(entry.name)[1].lower() in EXTENSIONS
    except OSError as error:
        _refuse(error)
    return Glance(tuple(sorted(folders)), has_images)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def is_hidden(name: str) -> bool:
    """Whether nobody means this file or folder."""
    return name.startswith(".") or name == MAC_ARCHIVE


def has_image_name(name: str) -> bool:
    """Whether a name has an image's extension, whether or not there is such a file."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_image(path: Path) -> bool:
    """Whether the name is an image's, or it has no extension and the file begins like DICOM (`IM000001`)."""
    return has_image_name(path.name) or is_bare_dicom(path)


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"The folder {error.filename} can't be read ({error.strerror}): check its permissions.")
