"""A truncated, fine-tuned model on disk: `model.safetensors` with `bundle.json`, enough to rebuild it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import fx, nn

from ttl.cut.head import HEAD
from ttl.cut.points import TruncationPoint, UNetPoint, point_from_json
from ttl.cut.truncation import CLASSES, truncate
from ttl.errors import PointError, RunFolderError
from ttl.networks import load_backbone

WEIGHTS = "model.safetensors"
DESCRIPTION = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """What a saved model is: how to rebuild it, how to feed it, and how good it was."""

    backbone: str
    image_size: int
    point: TruncationPoint
    kind: str
    class_names: tuple[str, ...]
    pool: str
    dropout: float
    channels: int
    """1 where the images were grey (they are repeated to 3), else 3."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    weights: str
    """Where the backbone's weights came from, in words."""
    recipe: str
    data_fingerprint: str
    divisor: int = 1
    """Of the sides of the images that it is given; in segmentation images keep their size, and `image_size` is that of
    training crops, and of the windows that larger ones are predicted in."""
    window: tuple[float, float] | None = None
    """Of the values of DICOM files, where it isn't their headers'."""
    metrics: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)
    """Split -> metric -> value, ci_low, ci_high."""


def save_bundle(model: nn.Module, bundle: Bundle, folder: Path) -> None:
    """Write `model` (as `truncate` made it) and what it is into `folder`.

    Raises:
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(json.dumps(asdict(bundle), indent=1), encoding="utf-8")


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the state of `model` as safetensors.

    Raises:
        OSError: the file can't be written.
    """
    # Contiguous copies: safetensors refuses tensors that share memory.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    # Not save_file: on a full disk it raises an error of its own that is no OSError.
    path.write_bytes(safetensors.torch.save(state))


def load_bundle(folder: Path, *, backbone: nn.Module | None = None) -> tuple[fx.GraphModule, Bundle]:
    """The model that `save_bundle` wrote, in eval mode, its weights and buffers exact.

    Args:
        folder: where it is.
        backbone: the network it was cut from (any weights); by default it is made by its name.

    Raises:
        RunFolderError: there is no such bundle, or it is damaged.
    """
    try:
        bundle = _from_json(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
        state = safetensors.torch.load_file(folder / WEIGHTS)
        last = CLASSES if isinstance(bundle.point, UNetPoint) else f"{HEAD}.fc"
        outputs = state[f"{last}.bias"].numel()
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise RunFolderError(
            f"{folder} holds no model that can be read ({str(error).splitlines()[0]}): "
            f"name a folder with {WEIGHTS} and {DESCRIPTION}"
        ) from error
    if backbone is None:
        backbone = load_backbone(bundle.backbone, weights="none", image_size=bundle.image_size).model
    try:
        model = truncate(backbone, bundle.point, num_classes=outputs, pool=bundle.pool, dropout=bundle.dropout)
        model.load_state_dict(state)
    except (PointError, RuntimeError) as error:
        raise RunFolderError(
            f"{folder / WEIGHTS} doesn't fit {bundle.backbone} cut at {bundle.point.name}: "
            "the file was changed, or another version of timm or torchvision built the network differently"
        ) from error
    return model.eval(), bundle


def _from_json(data: dict[str, Any]) -> Bundle:
    values = {**data, "point": point_from_json(data["point"])}
    for name in ("class_names", "mean", "std"):
        values[name] = tuple(values[name])
    values["window"] = tuple(data["window"]) if data.get("window") else None
    return Bundle(**values)
