"""What finding all truncation points costs, against one forward pass of the network.

    python benchmarks/points.py                     # densenet201 and eleven more
    python benchmarks/points.py --only resnet50

The two are timed in turns in one process, so that a busy machine slows both; given are medians and the median of the
ratios of the turns. One image at 224 pixels, eval mode, no gradients, torch's own number of threads.
"""

from __future__ import annotations

import argparse
import json
import platform
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

RESULTS = Path(__file__).parent / "results" / "points.json"
NETWORKS = (
    "densenet201",
    "densenet121",
    "resnet50",
    "resnetv2_50",
    "efficientnet_b0",
    "efficientnet_b3",
    "inception_v3",
    "regnety_016",
    "convnext_tiny",
    "mobilenetv3_large_100",
    "vgg16_bn",
    "hrnet_w18",
)


def main() -> None:
    """Parse, measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="a glob of names")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    import torch

    rows = [measure(name, turns=args.turns) for name in NETWORKS if fnmatch(name, args.only)]
    machine = {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    content = {"machine": machine, "torch": torch.__version__, "turns": args.turns, "rows": rows}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(content, indent=1) + "\n")


def measure(name: str, *, turns: int) -> dict[str, Any]:
    """Median seconds of one walk and of one forward pass, timed in turns after one of each to warm up."""
    import timm
    import torch

    from ttl.cut.points import truncation_points

    model = timm.create_model(name).eval()
    image = torch.randn(1, 3, 224, 224)
    walks, passes = [], []
    for _ in range(turns + 1):
        began = perf_counter()
        points = truncation_points(model, image_size=224)
        between = perf_counter()
        with torch.no_grad():
            model(image)
        walks.append(between - began)
        passes.append(perf_counter() - between)
    walks, passes = walks[1:], passes[1:]
    row: dict[str, Any] = {
        "model": name,
        "points": len(points),
        "walk_s": round(median(walks), 4),
        "forward_s": round(median(passes), 4),
        "ratio": round(median(w / p for w, p in zip(walks, passes, strict=True)), 2),
    }
    print("{model:<22} {points:>3} points  walk {walk_s:.3f} s  forward {forward_s:.3f} s  ratio {ratio}".format(**row))
    return row


if __name__ == "__main__":
    main()
