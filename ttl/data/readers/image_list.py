"""Images without labels, and whose they are: a file, a folder, or a manifest that names them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ttl.data.modality.dicom_header import patient_in
from ttl.data.readers.every_frame import frame_id, frames_in
from ttl.data.readers.identity import patient_name
from ttl.data.readers.image_places import is_there, located, remedy_for
from ttl.data.readers.table_file import NO_COLUMNS, SHOWN, Columns, read_table
from ttl.data.readers.table_text import TABLES
from ttl.data.readers.walk import find_images
from ttl.errors import DataError, UsageError
from ttl.words.counts import counted, listed


@dataclass(frozen=True)
class ImageList:
    """Paths of images; `patients` has one for each, empty where it isn't known."""

    paths: tuple[Path, ...]
    patients: tuple[str, ...]
    root: Path  # a folder above all of them; of one image that is named by itself its own path
    # of each image the number of its frame, from 1 on, or 0 for the one that is asked for; empty where all are 0
    frames: tuple[int, ...] = ()

    @property
    def numbered(self) -> tuple[tuple[Path, int], ...]:
        """Each image's file and frame, see `frames`."""
        return tuple(zip(self.paths, self.frames or (0,) * len(self.paths), strict=True))

    @property
    def names(self) -> tuple[Path, ...]:
        """What to call each image: its path, and of a frame `path#3`."""
        return tuple(Path(frame_id(str(path), number)) if number else path for path, number in self.numbered)

    def every_frame(self) -> ImageList:
        """With each frame of the files that have several as an image, of the file's patient."""
        counts = [frames_in(path) for path in self.paths]
        expanded = [
            (path, patient, number)
            for path, patient, count in zip(self.paths, self.patients, counts, strict=True)
            for number in (range(1, count + 1) if count > 1 else (0,))
        ]
        paths, patients, frames = zip(*expanded, strict=True)
        return ImageList(paths, patients, self.root.parent if self.root in paths and any(frames) else self.root, frames)

    def check_patients(self) -> None:
        """Refuse images that no patient is known of.

        Raises:
            UsageError: there are some.
        """
        without = [path.name for path, patient in zip(self.paths, self.patients, strict=True) if not patient]
        if without:
            raise UsageError(
                f"No patient is known of {counted(len(without), 'image')} ({listed(without, SHOWN)}), and patients are "
                "decided on: give a manifest with a column of patients (--group-column) or DICOM files with a "
                "PatientID, or decide on images (--decide-per image)."
            )


def read_image_list(place: Path, columns: Columns) -> ImageList:
    """An image, all images under a folder, or those that a CSV or Parquet manifest names, each once, in its order.

    The paths in a manifest are relative to its folder. Patients are those of its column, else of the DICOM headers.

    Raises:
        UsageError: a column is given of what is no manifest.
        DataError: there is no image, or the manifest can't be read, has no such column, or names images that are
            missing, or of two patients.
    """
    if place.suffix.lower() in TABLES and place.is_file():
        return _of_manifest(place, columns)
    if given := [name for name in (columns.image, columns.group) if name is not None]:
        raise UsageError(
            f"The column {given[0]!r} is of a manifest, and {place} is none: give a .csv or .parquet file."
        )
    if columns != NO_COLUMNS:
        raise UsageError(f"--image-root and --image-suffix are for a manifest, and {place} is none: leave them out.")
    paths = find_images(place)
    return ImageList(paths, tuple(patient_name(patient_in(path)) for path in paths), place)


def _of_manifest(place: Path, columns: Columns) -> ImageList:
    table = read_table(place, columns, labelled=False)
    table.check_filled("images")
    paths = located(table, "images")
    absent = [i for i, path in enumerate(paths) if not is_there(path)]
    if absent:
        where = table.at(absent, table.columns["images"][0])
        start = "the manifest's folder" if columns.root is None else str(columns.root)
        raise DataError(
            f"{len(absent)} of {counted(len(paths), 'image')} in {place} can't be found, from {start} on: {where}: "
            f"{remedy_for(table, 'images', absent)}."
        )
    patients = table.of("groups")
    first: dict[Path, int] = {}
    for i, path in enumerate(paths):
        j = first.setdefault(path, i)
        if patients is not None and patients[i] != patients[j]:
            raise DataError(
                f"The manifest {place} names the image {path.name} twice, of two patients: "
                f"{table.at((j, i), table.columns['groups'][0])}: keep the right one."
            )
    root = Path(os.path.commonpath([os.path.abspath(path.parent) for path in first]))
    whose = (patients[i] for i in first.values()) if patients is not None else map(patient_in, first)
    return ImageList(tuple(first), tuple(map(patient_name, whose)), root)
