"""What DICOM headers say: of the file, and of one of its frames."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ttl.data.modality.facts import DicomUse
from ttl.errors import DataError

PREAMBLE = 128
PREFIX = b"DICM"
HEAD = PREAMBLE + len(PREFIX)  # bytes that show whether a file is DICOM
FILE_META, IDENTIFYING = 0x0002, 0x0008  # the groups that files without a preamble begin with
FIRST_ELEMENTS = {FILE_META: range(3), IDENTIFYING: range(0x19)}
LONGEST_FIRST = 2**10  # bytes of the first element's value, at most
BARE = re.compile(r"|\.[0-9]*|\.(ima|dic|dc3)", re.IGNORECASE)
"""Suffixes of such names: of `IM000001`, of `1.2.840.5`, or in use for DICOM and for other files."""
INDEX = "DICOMDIR"
SHORT = 40  # of what a damaged header holds, in a message
CENTIMETRES, MM_PER_CM = 3, 10  # the unit of an ultrasound region, by PS3.3, C.8.5.5.1.15
MACROS = {
    "RescaleSlope": ("PixelValueTransformationSequence",),
    "RescaleIntercept": ("PixelValueTransformationSequence",),
    "WindowCenter": ("FrameVOILUTSequence",),
    "WindowWidth": ("FrameVOILUTSequence",),
    "VOILUTFunction": ("FrameVOILUTSequence",),
    "FrameType": ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence"),
    "PixelSpacing": ("PixelMeasuresSequence",),
    "ImagerPixelSpacing": ("FramePixelDataPropertiesSequence",),
}
"""Attribute -> where the functional groups of files with several frames have it (PS3.3, C.7.6.16)."""


def is_dicom(data: bytes) -> bool:
    """Whether a file's first `HEAD` bytes are DICOM's; with or without the preamble that some exports leave out."""
    if data[PREAMBLE:HEAD] == PREFIX or data[: len(PREFIX)] == PREFIX:
        return True
    for order in "<>" if len(data) >= 8 else "":
        group, element = struct.unpack(f"{order}HH", data[:4])
        if element in FIRST_ELEMENTS.get(group, ()):
            explicit = data[4:6].isalpha() and data[4:6].isupper()
            length: int = struct.unpack(f"{order}I", data[4:8])[0]
            return explicit or (order == "<" and length <= LONGEST_FIRST)
    return False


def is_bare_dicom(path: Path) -> bool:
    """Whether a file whose name doesn't say what it is, as scanners and archives write them, is DICOM.

    The index of a medium (DICOMDIR) is none that anybody means.
    """
    if not BARE.fullmatch(path.suffix) or path.name.upper() == INDEX:
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(HEAD))
    except OSError:
        return False


def parsed(data: bytes) -> Any:
    """A file's data set, whose transfer syntax is there.

    Raises:
        DataError: pydicom isn't installed, or nothing says how the pixels are stored.
        Exception: nearly anything, of a damaged file.
    """
    try:
        from pydicom import dcmread
        from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
    except ImportError:
        raise DataError("DICOM needs pydicom, pip install 'ttl[dicom]'") from None
    header: Any = dcmread(BytesIO(data.removeprefix(PREFIX)), force=True)
    if "PhotometricInterpretation" in header:
        header.PhotometricInterpretation = photometric(header)
    if not header.file_meta.get("TransferSyntaxUID"):
        if "PixelData" in header and header["PixelData"].is_undefined_length:
            raise DataError("it doesn't say how its pixels are compressed (it has no Transfer Syntax UID)")
        implicit, little = header.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return header


def patient_in(path: Path) -> str:
    """Who a file says it is of; empty where it doesn't say, or isn't DICOM that can be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
            if not is_dicom(head):
                return ""
            from pydicom import dcmread  # which takes longer to import than many images to predict

            file.seek(0)
            source = BytesIO(file.read().removeprefix(PREFIX)) if head.startswith(PREFIX) else file
            return patient(dcmread(source, stop_before_pixels=True, specific_tags=["PatientID"], force=True))
    except Exception:  # nearly anything, of a damaged file: who opens the image says so
        return ""


def patient(header: Any) -> str:
    """Who a file is of; empty where it doesn't say."""
    return str(header.get("PatientID") or "").strip(" \0")


def photometric(header: Any) -> str:
    """What the pixels are, in the spelling of the standard; empty where the file doesn't say."""
    return str(header.get("PhotometricInterpretation") or "").strip(" \0").upper()[:SHORT]


def frame_count(header: Any) -> int:
    """How many frames a file has."""
    return max(1, whole_number(header, "NumberOfFrames", 1))


def use_of(header: Any, number: int) -> DicomUse:
    """What a frame was made for."""
    kind = at_frame(header, number, "FrameType") or header.get("ImageType") or ()
    if "LOCALIZER" in {str(word).upper() for word in ([kind] if isinstance(kind, str) else kind)}:
        return "localizer"
    return "raw" if header.get("PresentationIntentType") == "FOR PROCESSING" else ""


def whole_number(header: Any, name: str, default: int) -> int:
    """The attribute's number; the default where there is none.

    Raises:
        DataError: it is something else.
    """
    value: Any = "damaged"
    with suppress(TypeError, ValueError):
        value = header.get(name)
        return default if value in (None, "") else int(value)
    raise DataError(f"its {name} is {str(value)[:SHORT]}, which is no whole number: repair the header")


def at_frame(header: Any, number: int, name: str) -> Any:
    """An attribute of a frame (`number` from 1 on): its own functional groups', else those of all frames, else the
    file's; None where none of them has it.
    """
    for groups, place in (("PerFrameFunctionalGroupsSequence", number - 1), ("SharedFunctionalGroupsSequence", 0)):
        items = header.get(groups) or ()
        for macro in MACROS.get(name, ()) if place < len(items) else ():
            for item in (items[place].get(macro) or ())[:1]:
                if (value := item.get(name)) not in (None, ""):
                    return value
    value = header.get(name)
    return None if value == "" else value


def number_at(header: Any, number: int, name: str) -> float | None:
    """The attribute's number, the first of several; None where there is none.

    Raises:
        DataError: it is no finite number.
    """
    value = at_frame(header, number, name)
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if value is None or not len(values):
        return None
    with suppress(TypeError, ValueError):
        if math.isfinite(first := float(np.ravel(values)[0])):
            return first
    raise DataError(f"its {name} is {values[0]!s}, which is no number: repair the header")


def spacing_mm(header: Any, number: int) -> tuple[float, float] | None:
    """From row to row and column to column, of a frame.

    In the patient, else at the detector, which radiographs often have alone, else on a film that was scanned, else as
    the only region of an ultrasound image says.
    """
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        with suppress(TypeError, ValueError):  # there is none, or it holds no two numbers
            row, column = (float(value) for value in at_frame(header, number, name))
            if 0 < row < math.inf and 0 < column < math.inf:
                return row, column
    with suppress(TypeError, ValueError, AttributeError):
        (region,) = header.get("SequenceOfUltrasoundRegions")
        row, column = (MM_PER_CM * abs(float(value)) for value in (region.PhysicalDeltaY, region.PhysicalDeltaX))
        units = {int(region.PhysicalUnitsXDirection), int(region.PhysicalUnitsYDirection)}
        if units == {CENTIMETRES} and 0 < row < math.inf and 0 < column < math.inf:
            return row, column
    return None
