"""A checkpoint file -> what it holds, read as data: nothing in it can run code."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ttl.errors import WeightsError

HARMLESS = (argparse.Namespace,)  # plain data that trainers (timm's among them) put beside the weights

FAILURES = (
    pickle.UnpicklingError,
    safetensors.SafetensorError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)
"""What torch and safetensors raise on bytes that aren't theirs."""


def read(path: Path) -> Any:
    """The content of a `.safetensors` file, or of one that `torch.save` wrote, whatever its suffix.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds Python objects.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "doesn't exist"
        raise WeightsError(f"The weights file {path} {what}: give a checkpoint, or --weights default or none")
    try:
        if _is_safetensors(path):
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([*HARMLESS]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FAILURES as error:
        raise WeightsError(_why(path, error)) from error


def sha256(path: Path) -> str:
    """The hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_safetensors(path: Path) -> bool:
    """Eight bytes of length, then a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _why(path: Path, error: Exception) -> str:
    if "Unsupported global" in str(error) or "Unsupported class" in str(error):
        return (
            f"The weights file {path} holds Python objects{_objects(path)}, which could run code and so "
            "aren't read: load it where it was made and save the network's state_dict() alone"
        )
    if "TorchScript" in str(error):
        return f"The weights file {path} is a TorchScript program: save the state_dict() of torch.jit.load(FILE)"
    if isinstance(error, PermissionError):
        return f"The weights file {path} can't be opened: permission denied, change it or give another file"
    size = path.stat().st_size
    return (
        f"The weights file {path} can't be read as a checkpoint ({size} bytes): it is damaged or something "
        "else, give a file that torch.save or safetensors wrote"
    )


def _objects(path: Path) -> str:
    """` (numpy.dtype, my.Net)`: their classes, where the file is of the present format, which can list them."""
    if not zipfile.is_zipfile(path):
        return ""
    harmless = {f"{kind.__module__}.{kind.__qualname__}" for kind in HARMLESS}
    found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    names = sorted(set(found) - harmless)
    return f" ({', '.join(names[:3])})" if names else ""
