"""Which networks of timm and torchvision can be walked, cut exactly, and exported; failures by cause.

    python benchmarks/zoo_coverage.py                       # one variant a family, and every variant of six
    python benchmarks/zoo_coverage.py --only 'resnet*'      # some
    python benchmarks/zoo_coverage.py --all                 # every architecture

Random weights. A network is *exact* when, at a sample of its points, the cut model's features equal those of
a forward hook on the original, bit for bit, it keeps the state-dict names, and every parameter gets a gradient.
Each network runs in a process of its own with a time limit: one that hangs or eats all memory costs only itself.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import time
from collections import Counter
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "zoo_coverage.json"
COMPLETE_FAMILIES = ("resnet", "resnext", "densenet", "efficientnet", "regnet", "convnext", "mobilenet")
SECONDS_EACH = 240
LARGEST_PARAMS = 120e6
"""Above it a network is left out of the numeric checks for want of memory and time, and said so."""


def main() -> None:
    """Parse, sweep, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="a glob of architecture names")
    parser.add_argument("--all", action="store_true", help="every architecture, not one variant a family")
    parser.add_argument("--export", action="store_true", help="also export a cut to ONNX and compare")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop starting networks after so many")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    names = [name for name in architectures(every=args.all) if not args.only or fnmatch(name, args.only)]
    # In a fixed random order: a sweep that is stopped early is a sample of the zoo, not its first letters.
    random.Random(0).shuffle(names)
    rows = sweep(names, jobs=args.jobs, export=args.export, minutes=args.minutes)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"summary": summary(rows), "rows": rows}, indent=1) + "\n")
    print(json.dumps(summary(rows), indent=1))


def architectures(*, every: bool) -> list[str]:
    """timm and torchvision names: the smallest-sounding variant of each timm module, and whole families of six."""
    import timm
    import torchvision

    by_module: dict[str, list[str]] = {}
    for name in timm.list_models():
        by_module.setdefault(timm.model_entrypoint(name).__module__, []).append(name)
    chosen = timm.list_models() if every else []
    for members in by_module.values():
        families = {re.split(r"[_\d]", name)[0]: name for name in sorted(members, key=len, reverse=True)}
        chosen += [*families.values(), *(m for m in members if m.startswith(COMPLETE_FAMILIES))]
    vision = torchvision.models.list_models(module=torchvision.models)
    return sorted(set(chosen)) + [f"tv:{name}" for name in vision]


def sweep(names: list[str], *, jobs: int, export: bool, minutes: float) -> list[dict[str, Any]]:
    """A row a network, each from a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "ttl.truncation"])
    waiting, running, rows = list(reversed(names)), [], []
    stop = time.monotonic() + 60 * minutes
    while waiting or running:
        while waiting and len(running) < jobs:
            if time.monotonic() > stop:
                rows += [{"model": name, "status": "not run", "cause": "out of time"} for name in waiting]
                waiting = []
                break
            name = waiting.pop()
            receive, send = context.Pipe(duplex=False)
            process = context.Process(target=_report, args=(name, export, send), daemon=True)
            process.start()
            running.append((name, process, receive, time.monotonic()))
        for entry in list(running):
            name, process, receive, began = entry
            if receive.poll(0.05):
                rows.append(receive.recv())
            elif not process.is_alive():
                rows.append({"model": name, "status": "failed", "cause": f"process ended ({process.exitcode})"})
            elif time.monotonic() - began > SECONDS_EACH:
                process.kill()
                rows.append({"model": name, "status": "failed", "cause": f"no answer in {SECONDS_EACH} s"})
            else:
                continue
            running.remove(entry)
            print(f"{len(rows)}/{len(names)} {rows[-1]}", flush=True)
    return sorted(rows, key=lambda row: str(row["model"]))


def _report(name: str, export: bool, send: Any) -> None:
    import warnings

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    try:
        row = check(name, export=export)
    except Exception as error:
        text = str(error).strip().split("\n")[0][:300]
        row = {"model": name, "status": "failed", "cause": f"{type(error).__name__}: {text}"}
    send.send({**row, "seconds": round(time.perf_counter() - began, 1)})


def check(name: str, *, export: bool) -> dict[str, Any]:
    """Walk one network and check a sample of its cuts."""
    import timm
    import torch
    import torchvision
    from torch import nn

    from ttl.truncation import truncate, truncation_points

    torch.set_num_threads(1)
    torch.manual_seed(0)

    def make() -> nn.Module:
        if name.startswith("tv:"):
            return torchvision.models.get_model(name[3:], weights=None)
        return timm.create_model(name)

    with torch.device("meta"):
        try:
            total = sum(p.numel() for p in make().parameters())
        except Exception:
            total = 0  # some can't be built on the meta device
    size = 224
    if not name.startswith("tv:"):
        config = timm.get_pretrained_cfg(name)
        size = config.input_size[-1] if config else 224  # some accept no other
    row: dict[str, Any] = {"model": name, "params": total, "image_size": size}
    if total > LARGEST_PARAMS:
        return {**row, "status": "not run", "cause": f"over {LARGEST_PARAMS / 1e6:.0f} M parameters"}
    model = make().eval()
    has_convolutions = any(isinstance(m, nn.Conv2d) and m.kernel_size != m.stride for m in model.modules())
    row |= {"params": sum(p.numel() for p in model.parameters()), "convolutional": has_convolutions}
    points = truncation_points(model, image_size=size)
    row |= {"points": len(points), "first": points[0].name, "last": points[-1].name}
    row["without_formula"] = points.without_formula
    monotone = all(a.params <= b.params and a.macs <= b.macs for a, b in pairwise(points))
    image = torch.randn(1, 3, size, size)
    sample = {0, len(points) // 2, len(points) - 1}
    wrong = [] if monotone else ["params or MACs fall"]
    for i in sorted(sample):
        wrong += [f"{points[i].name}: {w}" for w in faults(model, points[i], truncate, image)]
    row |= {"status": "inexact" if wrong else "exact", "cause": "; ".join(wrong)}
    if export and not wrong:
        row["exports"] = exports(model, points[len(points) // 2], truncate, image)
    return row


def faults(model: Any, point: Any, truncate: Any, image: Any) -> list[str]:
    """What is wrong with the cut at one point; nothing if it is exact."""
    import torch

    found = []
    small = truncate(model, point, num_classes=None).eval()
    taken: list[Any] = []
    modules = dict(model.named_modules())
    with torch.no_grad():
        feature = small(image)
        if point.name in modules and len(point.values) == 1:
            hook = modules[point.name].register_forward_hook(lambda _m, _i, out: taken.append(out))
            # A functional operation behind the module may work in place on what it gave out: so no copy.
            model(image)
            hook.remove()
    hooked = taken[-1] if taken else None
    comparable = isinstance(hooked, torch.Tensor) and hooked.shape == feature.shape
    if comparable and not torch.equal(hooked, feature):
        found.append("features differ from the hook's")
    if not set(small.state_dict()) <= set(model.state_dict()):
        found.append("state-dict names changed")
    if sum(p.numel() for p in small.parameters()) != point.params:
        found.append("params differ")
    head = truncate(model, point, num_classes=2).eval()
    head(image).sum().backward()
    dead = [name for name, p in head.named_parameters() if p.grad is None and p.requires_grad]
    return found + ([f"no gradient for {dead[0]} (+{len(dead) - 1})"] if dead else [])


def exports(model: Any, point: Any, truncate: Any, image: Any) -> str:
    """`yes`, or why not."""
    import tempfile

    from ttl.export.to_onnx import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        try:
            export_onnx(truncate(model, point, num_classes=2), Path(folder) / "cut.onnx", check_on=image)
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return "yes"


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts: of the convolutional networks that were run, how many are exact; failures by cause."""
    run = [row for row in rows if row["status"] != "not run"]
    convolutional = [row for row in run if row.get("convolutional", True)]
    exact = [row for row in convolutional if row["status"] == "exact"]
    causes = Counter(re.sub(r"'[^']*'|\d+", "…", row["cause"])[:120] for row in run if row["status"] != "exact")
    return {
        "run": len(run),
        "not_run": len(rows) - len(run),
        "convolutional": len(convolutional),
        "convolutional_exact": len(exact),
        "share_exact": round(len(exact) / max(1, len(convolutional)), 4),
        "others": len(run) - len(convolutional),
        "others_exact": sum(row["status"] == "exact" for row in run) - len(exact),
        "causes": dict(causes.most_common()),
    }


if __name__ == "__main__":
    main()
