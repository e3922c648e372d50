"""Images of one class alone, which no network learns from but a model can be tried on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ttl.data.readers.image_list import read_image_list
from ttl.data.readers.readable import Reading, check_images, oddities, reasons
from ttl.data.readers.table_file import NO_COLUMNS
from ttl.data.readers.walk import entries
from ttl.data.records import Records
from ttl.data.task import picked
from ttl.errors import DataError
from ttl.words.counts import counted


def read_one_class(root: Path, names: Sequence[str], reading: Reading) -> Records | None:
    """All images of a folder that holds one folder, named as one of the classes; None of any other layout.

    Raises:
        DataError: there is no image, or some can't be read.
    """
    folders, _ = entries(root)
    if len(folders) != 1 or folders[0].name not in names:
        return None
    images = read_image_list(folders[0], NO_COLUMNS)
    ids = tuple(path.relative_to(root).as_posix() for path in images.paths)
    checked = check_images(ids, images.paths, reading)
    if checked.bad and not reading.skip_bad:
        raise DataError(
            f"{len(checked.bad)} of {counted(len(ids), 'image')} in {root} can't be read: {reasons(checked.bad)}: "
            "repair or remove them, or go on without them with --skip-bad."
        )
    patients = picked(images.patients, checked.good)
    return Records(
        name=root.resolve().name,
        class_names=(folders[0].name,),
        ids=picked(ids, checked.good),
        labels=np.zeros(len(checked.good), np.int64),
        source=checked.source,
        groups=patients if all(patients) and len(set(patients)) > 1 else None,
        skipped=tuple(checked.bad),
        notes=(*checked.skipped(), *oddities(checked.source)),
    )
