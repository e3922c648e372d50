"""DICOM files made on the spot, and what is read of them."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ttl.data import open_image
from ttl.data.modality.facts import Facts
from ttl.data.modality.image import check_image, quiet_readers
from ttl.data.modality.rendering import AS_FILED, Frame, Range, Rendering, Window
from ttl.errors import DataError

HOUNSFIELD = np.array([[-1000, -160], [40, 240], [1000, 2000]])


def dicom(values: npt.NDArray[Any], **header: Any) -> bytes:
    """A file of those stored values: CT with an offset of 1024 unless the header says otherwise."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    colour = values.ndim == 3 and values.shape[-1] == 3
    data.Rows, data.Columns = values.shape[-3:-1] if colour else values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8 * values.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelData = values.tobytes()
    for name, value in header.items():
        if value is not None:
            setattr(data, name, value)
        elif name in data:
            delattr(data, name)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def ct(**header: Any) -> bytes:
    stored = (HOUNSFIELD + 1024).astype(np.uint16)
    return dicom(stored, **{"RescaleSlope": 1, "RescaleIntercept": -1024, **header})


def shown(
    content: bytes, folder: Path, window: Window | None = None, value_range: Range | None = None, frame: Frame = "first"
) -> npt.NDArray[np.uint8]:
    """The pixels that training sees of a file, which the check must have agreed to."""
    facts(content, folder, window, value_range, frame)
    return np.asarray(open_image(folder / "image.dcm", Rendering(window, value_range, frame)))


def facts(
    content: bytes, folder: Path, window: Window | None = None, value_range: Range | None = None, frame: Frame = "first"
) -> Facts:
    """What the check finds in a file."""
    found = checked(content, folder, Rendering(window, value_range, frame))
    assert isinstance(found, Facts), found
    return found


def refusal(content: bytes, folder: Path, rendering: Rendering = AS_FILED) -> str:
    """Why a file can't be used, by the check, and by whoever opens it alike."""
    found = checked(content, folder, rendering)
    assert isinstance(found, str), found
    with pytest.raises(DataError, match=re.escape(f"The image {folder / 'image.dcm'} can't be read ({found})")):
        open_image(folder / "image.dcm", rendering)
    return found


def checked(content: bytes, folder: Path, rendering: Rendering = AS_FILED) -> Facts | str:
    path = folder / "image.dcm"
    path.write_bytes(content)
    with quiet_readers():  # as whoever reads a data set does
        return check_image(path, rendering)


def table(descriptor: list[int], data: list[int], vr: str = "US") -> Dataset:
    """A lookup table, as numbers."""
    made = Dataset()
    made.add_new("LUTDescriptor", vr, descriptor)
    made.add_new("LUTData", "US", data)
    return made


def item(**attributes: Any) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made
