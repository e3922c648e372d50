"""`ttl predict`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ttl.cli.options import Json

if TYPE_CHECKING:
    from ttl.export.run import OnnxModel

from ttl.cli.command import app, verb


@app.command(
    short_help="what an exported model makes of images", epilog="Example: ttl predict ttl-run/model.onnx scan.png"
)
@verb
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A file that ttl exported.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGE|DIR", help="An image, or a folder of images.")],
    out: Annotated[Path, typer.Option(help="Of a segmentation: the folder of the masks and overlays.")] = Path("masks"),
    as_json: Json = False,
) -> None:
    """Say what an exported model makes of images: the class and the probability of each; or draw their masks."""
    from ttl.data import find_images, open_image
    from ttl.export.run import OnnxModel

    onnx_model = OnnxModel(model)
    classes, window = onnx_model.contract.class_names, onnx_model.contract.decoding.window
    paths = find_images(images)
    if onnx_model.contract.per_pixel:
        _draw(onnx_model, paths, images, out, as_json)
        return
    rows: list[dict[str, Any]] = []
    for start in range(0, len(paths), 64):
        chunk = paths[start : start + 64]
        probabilities = onnx_model.predict_images([open_image(path, window) for path in chunk])
        rows += [
            {
                "image": str(path),
                "class": classes[int(row.argmax())],
                "probabilities": dict(zip(classes, row.tolist(), strict=True)),
            }
            for path, row in zip(chunk, probabilities, strict=True)
        ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    width = max(len(str(row["image"])) for row in rows)
    for row in rows:
        shares = "  ".join(f"{name} {value:.4f}" for name, value in row["probabilities"].items())
        typer.echo(f"{row['image']:<{width}}  {row['class']}  ({shares})")


def _draw(model: OnnxModel, paths: Sequence[Path], root: Path, out: Path, as_json: bool) -> None:
    """Masks and overlays as files, and a line each."""
    from ttl.deliver.pictures.predicted_masks import draw_masks

    width, drawn = max(len(str(path)) for path in paths), []
    for row in draw_masks(model, paths, root, out):
        drawn.append(row)
        if not as_json:
            shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
            typer.echo(f"{row['image']:<{width}}  {shares}  {row['mask']}")
    if as_json:
        typer.echo(json.dumps(drawn, indent=1))
    else:
        typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")
