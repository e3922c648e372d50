"""A truncated, fine-tuned model on disk: `model.safetensors` with `bundle.json`, enough to rebuild it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import safetensors
import safetensors.torch
from pydantic import Field
from torch import nn

from ttl.cut.head import HeadSpec
from ttl.cut.points import TruncationPoint
from ttl.cut.points.point import point_from_json
from ttl.errors import PointError, RunFolderError
from ttl.export.contract import Contract, contract_from_json, contract_to_json
from ttl.files import sha256, write_bytes
from ttl.networks import load_backbone
from ttl.search.candidates import rebuilt
from ttl.typed import OptionalKey, from_json, read_sealed, to_json, write_sealed

WEIGHTS, DESCRIPTION = "model.safetensors", "bundle.json"
NO_MODEL = f"{{folder}} holds no model that can be read ({{why}}): name a folder with {WEIGHTS} and {DESCRIPTION}"
NO_KIND = "{path} is of a candidate that this ttl can't make: use the ttl that wrote it"


@dataclass(frozen=True)
class Bundle:
    """What a saved model is, and how to rebuild it: where it was cut, and what head the cut has."""

    contract: Contract
    point: TruncationPoint
    pool: str
    dropout: Annotated[float, Field(ge=0, lt=1)]
    candidate: OptionalKey[Mapping[str, object]] = None  # as `ttl.search.candidates.described` has it
    sha256: str = ""
    """Of the file of the weights; empty where version 0.1 wrote it."""


def save_bundle(model: nn.Module, bundle: Bundle, folder: Path) -> Bundle:
    """Write a model, as `truncate` made it, and what it is; that comes back with the digest of the weights.

    Raises:
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, folder / WEIGHTS)
    saved = replace(bundle, sha256=sha256(folder / WEIGHTS))
    parts = {"contract": contract_to_json(bundle.contract), "point": to_json(bundle.point)}
    write_sealed(folder / DESCRIPTION, {**to_json(saved), **parts})
    return saved


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state of a model as safetensors; an OSError where the file can't be written."""
    # Contiguous copies: safetensors refuses tensors that share memory.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    # Not save_file: on a full disk it raises an error of its own that is no OSError.
    write_bytes(path, safetensors.torch.save(state))


def read_bundle(folder: Path) -> Bundle:
    """What `save_bundle` wrote of a model, of this version or 0.1; the weights aren't looked at.

    Raises:
        RunFolderError: there is none, or it can't be trusted.
    """
    path = folder / DESCRIPTION
    content = read_sealed(path)
    if not isinstance(content, dict) or not isinstance(content.get("point"), dict):
        why = f"{DESCRIPTION} {'does not exist' if content is None else 'is of something else'}"
        raise RunFolderError(NO_MODEL.format(folder=folder, why=why))
    point = point_from_json(content["point"], where=str(path))
    # Version 0.1 had no contract there but its parts, and those of its origin that the point has too in the point only.
    of_point = {"cut": point.name, "index": point.index, "params": point.params, "macs": point.macs}
    described = content.get("contract", {**content, **of_point, "ttl_version": "0.1.0"})
    contract = contract_from_json(described if isinstance(described, dict) else {}, where=str(path))
    parts = {"contract": to_json(contract), "point": to_json(point)}
    whole = from_json(Bundle, {**content, **parts}, where=str(path))
    return replace(whole, point=point)


def load_bundle(folder: Path, *, backbone: nn.Module | None = None) -> tuple[nn.Module, Bundle]:
    """The model that `save_bundle` wrote, in eval mode, its weights and buffers exact.

    The `backbone` is the network it was cut from, with any weights; by default it is made by its name.

    Raises:
        RunFolderError: there is no such bundle, or it is damaged.
    """
    bundle, weights = read_bundle(folder), folder / WEIGHTS
    contract, point = bundle.contract, bundle.point
    try:
        if bundle.sha256 not in ("", sha256(weights)):
            raise RunFolderError(f"{weights} is damaged: its bytes aren't those that were saved; fine-tune it again")
        state = safetensors.torch.load_file(weights)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunFolderError(NO_MODEL.format(folder=folder, why=str(error).splitlines()[0])) from error
    name = contract.provenance.network
    try:
        candidate = rebuilt(name, point, bundle.candidate)
    except (KeyError, TypeError) as error:
        raise RunFolderError(NO_KIND.format(path=folder / DESCRIPTION)) from error
    if backbone is None:
        backbone = load_backbone(name, weights="none", image_size=contract.sides).model
    try:
        model = candidate.build_on(backbone, HeadSpec(contract.outputs, bundle.pool, bundle.dropout))
        model.load_state_dict(state)
    except (PointError, RuntimeError) as error:
        raise RunFolderError(
            f"{weights} doesn't fit {name} cut at {point.name}: "
            "the file was changed, or another version of timm or torchvision built the network differently"
        ) from error
    return model.eval(), bundle
