"""On which encoders a U-Net can be built, walked and cut exactly; failures by cause.

    python benchmarks/unet_coverage.py                  # smp's, and of timm the shortest name of each prefix
    python benchmarks/unet_coverage.py --only 'tu-*'    # some

Random weights, 64 pixels (256 or 224 where an encoder with attention takes nothing else). An encoder is *exact* when,
at its first, middle and last point, what it hands to the decoder equals the whole U-Net's, bit for bit; the last point
equals smp's own U-Net, bit for bit; params and MACs are those of a walk of the cut U-Net; and every parameter gets a
gradient. Each runs in a process of its own with a time limit. Pure transformers of timm are left out, and so is what
smp can't build a U-Net on, which is counted.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from zoo_coverage import convolves, sweep

RESULTS = Path(__file__).parent / "results" / "unet_coverage.json"
LARGEST_PARAMS = 150e6
"""Above it an encoder is left out, for want of memory and time, and that is said."""
SIDES = (64, 256, 224)


def main() -> None:
    """Parse, sweep, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="a glob of encoder names, timm's with tu- before them")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop starting encoders after so many")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    names = [name for name in encoders() if fnmatch(name, args.only)]
    known = {row["model"]: row for row in (json.loads(args.out.read_text())["rows"] if args.out.is_file() else [])}
    for row in sweep(names, check, jobs=args.jobs, minutes=args.minutes):
        known[row["model"]] = row
        rows = sorted(known.values(), key=lambda row: str(row["model"]))
        content = {"summary": dict(Counter(row["status"] for row in rows)), "rows": rows}
        args.out.write_text(json.dumps(content, indent=1) + "\n")
    print(Counter(row["status"] for row in known.values()))


def encoders() -> list[str]:
    """smp's own, and a sample of timm's."""
    import timm
    from segmentation_models_pytorch.encoders import encoders as own

    by_module: dict[str, list[str]] = {}
    for name in timm.list_models():
        by_module.setdefault(timm.model_entrypoint(name).__module__, []).append(name)
    shortest = [
        name
        for members in by_module.values()
        for name in {re.split(r"[_\d]", one)[0]: one for one in sorted(members, key=len, reverse=True)}.values()
    ]
    return [*own, *(f"tu-{name}" for name in sorted(shortest))]


def check(name: str) -> dict[str, Any]:
    """Build a U-Net on one encoder, walk it and check a sample of its cuts."""
    import segmentation_models_pytorch as smp
    import timm
    import torch

    from ttl.cut.graph import walk
    from ttl.cut.points import UNetPoint
    from ttl.cut.truncation import truncate

    torch.set_num_threads(1)
    torch.manual_seed(0)
    row: dict[str, Any] = {"model": name}
    if name.startswith("tu-"):
        with torch.device("meta"):
            alone = timm.create_model(name.removeprefix("tu-"))
        if not convolves(alone) or sum(p.numel() for p in alone.parameters()) > LARGEST_PARAMS:
            return {**row, "status": "left out", "cause": "no convolutions, or too large"}
    try:
        unet = smp.Unet(name, encoder_weights=None, classes=1).eval()
    except Exception as error:
        return {**row, "status": "no U-Net", "cause": str(error).strip().split("\n")[0][:200]}
    params = sum(p.numel() for p in unet.parameters())
    if params > LARGEST_PARAMS:
        return {**row, "status": "left out", "cause": "too large"}
    side, points = points_of(unet)
    row |= {"side": side, "params": params, "points": len(points), "first": points[0].name, "last": points[-1].name}
    images, wrong = torch.randn(2, 3, side, side), []
    for point in {0: points[0], 1: points[len(points) // 2], 2: points[-1]}.values():
        small = truncate(unet, point, num_classes=1)
        ops = walk(small, image_size=side).ops
        if sum(op.macs for op in ops if "segmentation_head" not in op.modules) != point.macs:
            wrong.append(f"MACs of {point.name}")
        small.train()(images).square().mean().backward()
        if any(p.grad is None for p in small.parameters()):
            wrong.append(f"a parameter without a gradient at {point.name}")
        if isinstance(point, UNetPoint) and point.enters is None:
            with torch.no_grad():
                whole = truncate(unet, point, num_classes=1).eval()
                if not torch.equal(whole(images), unet(images)):
                    wrong.append("the whole isn't smp's")
    return {**row, "status": "wrong" if wrong else "exact", **({"cause": "; ".join(wrong)} if wrong else {})}


def points_of(unet: Any) -> tuple[int, Any]:
    """The points at the first of the sizes that the encoder can be run at, and that size.

    Raises:
        ModelError: at none of them.
    """
    from ttl.cut.points import truncation_points
    from ttl.errors import ModelError

    for side in SIDES[:-1]:
        try:
            return side, truncation_points(unet, image_size=side)
        except ModelError:
            continue
    return SIDES[-1], truncation_points(unet, image_size=SIDES[-1])


if __name__ == "__main__":
    main()
