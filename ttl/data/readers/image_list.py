"""Images without labels, and whose they are: files, folders, and manifests that name them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttl.data.drawn_record import drawn_by_ttl
from ttl.data.modality.dicom_header import patient_in
from ttl.data.readers.every_frame import frame_id, frames_in
from ttl.data.readers.identity import patient_name
from ttl.data.readers.image_places import is_there, located, remedy_for
from ttl.data.readers.table_file import NO_COLUMNS, SHOWN, Columns, read_table
from ttl.data.readers.table_text import TABLES
from ttl.data.readers.walk import content_of
from ttl.data.task import picked
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
    left_out: tuple[Path, ...] = ()  # files in the folders whose names aren't those of images
    own: tuple[Path, ...] = ()  # masks and overlays in the folders that ttl itself drew

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
        root = self.root.parent if self.root in paths and any(frames) else self.root
        return replace(self, paths=paths, patients=patients, root=root, frames=frames)

    def by_patient(self) -> ImageList:
        """The same, with the images of each patient one after another; patients in the order of their first images."""
        first = {name: place for place, name in reversed(list(enumerate(self.patients)))}
        order = sorted(range(len(self.paths)), key=lambda place: first[self.patients[place]])
        return replace(
            self,
            paths=picked(self.paths, order),
            patients=picked(self.patients, order),
            frames=picked(self.frames, order) if self.frames else (),
        )

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


def read_image_lists(places: Sequence[Path], columns: Columns = NO_COLUMNS) -> ImageList:
    """The images of several places in their order, each once: see `read_image_list`, which says what a place is.

    The columns are of the manifests among the places.

    Raises:
        UsageError: a column is given, and there is no manifest.
        DataError: see `read_image_list`; or two places name an image as one of two patients.
    """
    if len(places) == 1:
        return read_image_list(places[0], columns)
    are_tables = [_is_table(place) for place in places]
    if not any(are_tables):
        _refuse_columns(places[0], columns)
    lists = [
        read_image_list(place, columns if is_table else NO_COLUMNS)
        for place, is_table in zip(places, are_tables, strict=True)
    ]
    whose: dict[str, tuple[Path, str]] = {}
    for path, patient in (
        (path, patient) for each in lists for path, patient in zip(each.paths, each.patients, strict=True)
    ):
        first, known = whose.setdefault(os.path.abspath(path), (path, patient))
        if known and patient and known != patient:
            raise DataError(
                f"The image {path} is named twice, as one of the patient {known} and of {patient}: keep one."
            )
        whose[os.path.abspath(path)] = (first, known or patient)
    paths, patients = zip(*whose.values(), strict=True)
    roots = [os.path.abspath(each.root.parent if each.root in each.paths else each.root) for each in lists]
    left_out = dict.fromkeys(path for each in lists for path in each.left_out)
    own = dict.fromkeys(path for each in lists for path in each.own)
    return ImageList(paths, patients, Path(os.path.commonpath(roots)), left_out=tuple(left_out), own=tuple(own))


def read_image_list(place: Path, columns: Columns) -> ImageList:
    """An image, all images under a folder, or those that a CSV or Parquet manifest names, each once, in its order.

    The paths in a manifest are relative to its folder. Patients are those of its column, else of the DICOM headers.
    A file that is named is an image, whatever its suffix; of a folder those with an image's. Masks and overlays that
    `ttl predict` drew into a folder aren't read.

    Raises:
        UsageError: a column is given of what is no manifest.
        DataError: there is no image, or the manifest can't be read, has no such column, or names images that are
            missing, or of two patients.
    """
    if _is_table(place):
        return _of_manifest(place, columns)
    _refuse_columns(place, columns)
    paths, left_out, own = ((place,), (), ()) if place.is_file() else _of_folder(place)
    return ImageList(paths, tuple(patient_name(patient_in(path)) for path in paths), place, left_out=left_out, own=own)


def _is_table(place: Path) -> bool:
    return place.suffix.lower() in TABLES and place.is_file()


def _refuse_columns(place: Path, columns: Columns) -> None:
    """Refuse options of manifests where there is none."""
    if given := [name for name in (columns.image, columns.group) if name is not None]:
        raise UsageError(
            f"The column {given[0]!r} is of a manifest, and {place} is none: give a .csv or .parquet file."
        )
    if columns != NO_COLUMNS:
        raise UsageError(f"--image-root and --image-suffix are for a manifest, and {place} is none: leave them out.")


def _of_folder(place: Path) -> tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]:
    """The images under a folder, what is left out for its suffix, and what ttl drew."""
    if not place.is_dir():
        raise DataError(f"There is no file or folder {place}: give an image, or a folder of images.")
    content = content_of(place)
    drawn = drawn_by_ttl(content.images)
    paths = tuple(path for path in content.images if path not in drawn)
    if not paths:
        besides = [*content.others, *content.images]
        found = f", which holds {listed((path.name for path in besides), SHOWN)}" if besides else ""
        raise DataError(f"There is no image under {place}{found}: give an image, or a folder of images.")
    return paths, content.others, tuple(path for path in content.images if path in drawn)


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
