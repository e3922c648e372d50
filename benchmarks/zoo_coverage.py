"""Which networks of timm and torchvision can be walked, cut exactly, and exported; failures by cause.

    python benchmarks/zoo_coverage.py                       # one variant a family, and every variant of six
    python benchmarks/zoo_coverage.py --only 'resnet*'      # some
    python benchmarks/zoo_coverage.py --all                 # every architecture
    python benchmarks/zoo_coverage.py --missing --export    # those that the results don't have yet

Rows are written as they come; those of networks that weren't asked for are kept. At the end `docs/coverage.md` is
written from them.

Random weights. A network is *exact* when, at a sample of its points (first, middle, last), the cut model's features
equal those of a forward hook on the original, bit for bit, it keeps the state-dict names, every parameter gets a
gradient, and the last point leaves out nothing but the classifier. The figures are taken at 128 pixels where the
network takes them, else at its own size; the points are counted at its own size.
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
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "zoo_coverage.json"
PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
COMPLETE_FAMILIES = ("resnet", "resnext", "densenet", "efficientnet", "regnet", "convnext", "mobilenet")
SECONDS_EACH = 400
LARGEST_PARAMS = 400e6
"""Above it a network is only walked, for want of memory and time, and that is said."""
SMALL = 128


def main() -> None:
    """Parse, sweep, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="globs of architecture names, with commas between")
    parser.add_argument("--missing", action="store_true", help="only those that the results don't have yet")
    parser.add_argument("--families", action="store_true", help="one architecture a module of timm and torchvision")
    parser.add_argument("--all", action="store_true", help="every architecture, not one variant a family")
    parser.add_argument("--export", action="store_true", help="also export a cut to ONNX and compare")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop starting networks after so many")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    scope = "all" if args.all else "families" if args.families else "usual"
    names = [name for name in architectures(scope) if any(fnmatch(name, one) for one in args.only.split(","))]
    earlier = json.loads(args.out.read_text())["rows"] if args.out.is_file() else []
    known = {row["model"]: row for row in earlier if row["status"] != "not run"}
    if args.missing:
        names = [name for name in names if name not in known]
    # In a fixed random order: a sweep that is stopped early is a sample of the zoo, not its first letters.
    random.Random(0).shuffle(names)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for row in sweep(names, partial(check, export=args.export), jobs=args.jobs, minutes=args.minutes):
        known[row["model"]] = row
        rows = sorted(known.values(), key=lambda row: str(row["model"]))
        args.out.write_text(json.dumps({"summary": summary(rows), "rows": rows}, indent=1) + "\n")
    print(json.dumps(summary(list(known.values())), indent=1))
    if args.out == RESULTS:
        PAGE.write_text(page(list(known.values())))


def architectures(scope: str = "usual") -> list[str]:
    """Names of timm and torchvision architectures.

    `families`: one a module. `usual`: the smallest-sounding variant of each prefix in a timm module, all of
    six families, and all of torchvision. `all`: all.
    """
    import timm
    import torchvision

    by_module: dict[str, list[str]] = {}
    for name in timm.list_models():
        by_module.setdefault(timm.model_entrypoint(name).__module__, []).append(name)
    for name in torchvision.models.list_models(module=torchvision.models):
        by_module.setdefault(torchvision.models.get_model_builder(name).__module__, []).append(f"tv:{name}")
    if scope == "families":
        return sorted(min(members, key=len) for members in by_module.values())
    if scope == "all":
        return sorted(name for members in by_module.values() for name in members)
    chosen: list[str] = []
    for members in by_module.values():
        prefixes = {re.split(r"[_\d]", name)[0]: name for name in sorted(members, key=len, reverse=True)}
        chosen += [*prefixes.values(), *(m for m in members if m.startswith((*COMPLETE_FAMILIES, "tv:")))]
    return sorted(set(chosen))


def sweep(
    names: list[str], check: Callable[[str], dict[str, Any]], *, jobs: int, minutes: float
) -> Iterator[dict[str, Any]]:
    """What `check` says of each network, each in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "ttl.cut.truncation"])
    waiting, count = list(reversed(names)), 0
    running: list[Any] = []
    stop = time.monotonic() + 60 * minutes
    while waiting or running:
        if time.monotonic() > stop:
            waiting = []
        while waiting and len(running) < jobs:
            name = waiting.pop()
            receive, send = context.Pipe(duplex=False)
            process = context.Process(target=_report, args=(name, check, send), daemon=True)
            process.start()
            running.append((name, process, receive, time.monotonic()))
        for entry in list(running):
            name, process, receive, began = entry
            if receive.poll(0.05):
                row = receive.recv()
            elif not process.is_alive():
                row = {"model": name, "status": "failed", "cause": f"process ended ({process.exitcode})"}
            elif time.monotonic() - began > SECONDS_EACH:
                process.kill()
                row = {"model": name, "status": "failed", "cause": f"no answer in {SECONDS_EACH} s"}
            else:
                continue
            running.remove(entry)
            count += 1
            print(f"{count}/{len(names)} {row}", flush=True)
            yield row


def _report(name: str, check: Callable[[str], dict[str, Any]], send: Any) -> None:
    import warnings

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    try:
        row = check(name)
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

    from ttl.cut.points import truncation_points

    torch.set_num_threads(1)
    torch.manual_seed(0)

    def make() -> nn.Module:
        if name.startswith("tv:"):
            model: nn.Module = torchvision.models.get_model(name[3:], weights=None)
        else:
            model = timm.create_model(name)
        return model

    with torch.device("meta"):
        try:
            total = sum(p.numel() for p in make().parameters())
        except Exception:
            total = 0  # some can't be built on the meta device
    config = None if name.startswith("tv:") else timm.get_pretrained_cfg(name)
    size = config.input_size[-1] if config else 224
    row: dict[str, Any] = {"model": name, "params": total, "image_size": size}
    if total > LARGEST_PARAMS:
        with torch.device("meta"):
            model = make()
        found = truncation_points(model, image_size=size)
        row |= {"convolutional": convolves(model), "points": len(found)}
        return {**row, "status": "walked", "cause": f"over {LARGEST_PARAMS / 1e6:.0f} M parameters"}
    model = make().eval()
    points = truncation_points(model, image_size=size)
    row |= {"params": sum(p.numel() for p in model.parameters()), "convolutional": convolves(model)}
    row |= {"points": len(points), "first": points[0].name, "last": points[-1].name}
    row["without_formula"] = points.without_formula
    sizes = [size] if config and config.fixed_input_size else [SMALL, size]
    for side in sizes:
        try:
            row |= exactness(model, truncation_points(model, image_size=side), side, config)
            break
        except Exception:
            if side == sizes[-1]:
                raise
    if export and row["status"] == "exact":
        row["exports"] = exports(model, row["checked_at"])
    return row


def exactness(model: Any, points: Any, size: int, config: Any) -> dict[str, Any]:
    """What is wrong with the cuts at a sample of points."""
    import torch

    from ttl.cut.graph import walk

    image = torch.randn(1, 3, size, size)
    wrong = [
        f"{above.name}: params or MACs fall"
        for below, above in pairwise(points)
        if below.params > above.params or below.macs > above.macs
    ]
    hooked = 0
    sample = sorted({0, len(points) // 2, len(points) - 1})
    inside = {op.node.name: op.modules for op in walk(model, image_size=size).ops}
    for i in sample:
        point = points[i]
        ends_there = point.name in inside[point.values[-1]]
        classifier = left_out(config) if i == len(points) - 1 else None
        found, seen = faults(model, point, image, ends_there=ends_there, classifier=classifier)
        wrong += [f"{point.name}: {fault}" for fault in found]
        hooked += seen
    status = "inexact" if wrong else "exact"
    checked = {"checked_at": size, "sampled": len(sample), "seen_by_hook": hooked}
    return {"status": status, "cause": "; ".join(wrong), **checked}


def convolves(model: Any) -> bool:
    """Whether it has a convolution that is more than the cutting of an image into patches."""
    from torch import nn

    return any(isinstance(m, nn.Conv2d) and m.kernel_size != m.stride for m in model.modules())


def left_out(config: Any) -> tuple[str, ...]:
    """How the names of the parameters begin that the last point may leave out: the classifier's."""
    classifier = config.classifier if config else None
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    return (*names, "classifier", "fc", "head", "heads", "aux", "AuxLogits")


def faults(
    model: Any, point: Any, image: Any, *, ends_there: bool, classifier: tuple[str, ...] | None
) -> tuple[list[str], bool]:
    """What is wrong with the cut at one point, and whether a hook could be compared with it.

    `ends_there`: the feature is what the module that the point is named after gives out, and no function behind it.
    """
    import torch

    from ttl.cut.truncation import truncate

    found = []
    small = truncate(model, point, num_classes=2).eval()
    features: list[Any] = []
    small.get_submodule("ttl_head").register_forward_pre_hook(lambda _module, inputs: features.append(inputs[0]))
    small(image).sum().backward()  # first: LeViT's and EfficientViT's attention keeps what it computes without
    with torch.no_grad():  # attention and LSTMs take another kernel where gradients are asked for
        small(image)
    feature = features[-1]
    hooked = seen_by_hook(model, point.name, image) if ends_there else None
    if len(point.values) > 1 and hooked is not None:
        feature = feature[:, -hooked.shape[1] :]  # the newest of the maps that are concatenated
    comparable = hooked is not None and hooked.shape == feature.shape
    if hooked is not None and comparable and not torch.equal(hooked, feature):
        found.append("features differ from the hook's")
    kept = {name: p for name, p in small.named_parameters() if not name.startswith("ttl_head.")}
    if not {name for name in small.state_dict() if not name.startswith("ttl_head.")} <= set(model.state_dict()):
        found.append("state-dict names changed")
    if sum(p.numel() for p in kept.values()) != point.params:
        found.append("params differ")
    dead = [name for name, p in kept.items() if p.grad is None and p.requires_grad]
    if dead:
        found.append(f"no gradient for {dead[0]} (+{len(dead) - 1})")
    # A parameter of the model itself is no layer: EfficientViM mixes its classifiers by one.
    lost = [n for n, _ in model.named_parameters() if n not in kept and not n.startswith(classifier or "")]
    if any("." in name for name in lost):
        found.append(f"leaves out {lost[0]} (+{len(lost) - 1})")
    return found, comparable


def seen_by_hook(model: Any, name: str, image: Any) -> Any:
    """What the module called `name` gives out in the whole network; None where there is no such tensor."""
    import torch

    taken: list[Any] = []
    module = dict(model.named_modules()).get(name)
    if module is None:
        return None

    def take(_module: Any, _inputs: Any, out: Any) -> None:
        out = out[0] if isinstance(out, (tuple, list)) else out
        # A copy: what stands behind the module may work in place on what it gave out.
        taken.append(out.clone() if isinstance(out, torch.Tensor) else None)

    hook = module.register_forward_hook(take)
    with torch.no_grad():
        model(image)
    hook.remove()
    return taken[-1] if taken else None


def exports(model: Any, size: int) -> str:
    """`yes`, or why the cut at the middle point doesn't export."""
    import tempfile

    import torch

    from ttl.cut.points import truncation_points
    from ttl.cut.truncation import truncate
    from ttl.export.to_file import export_onnx

    points = truncation_points(model, image_size=size)
    small = truncate(model, points[len(points) // 2], num_classes=2)

    with tempfile.TemporaryDirectory() as folder:
        try:
            export_onnx(small, Path(folder) / "cut.onnx", check_on=torch.randn(1, 3, size, size))
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return "yes"


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts: of the convolutional networks that were run, how many are exact; failures by cause."""
    run = [row for row in rows if row["status"] != "walked"]
    convolutional = [row for row in run if row.get("convolutional", True)]
    exact = [row for row in convolutional if row["status"] == "exact"]
    causes = Counter(re.sub(r"'[^']*'|\d+", "…", row["cause"])[:120] for row in run if row["status"] != "exact")
    exported = [row["exports"] for row in exact if "exports" in row]
    refused = Counter(re.sub(r"'[^']*'|\d+", "…", why)[:120] for why in exported if why != "yes")
    return {
        "run": len(run),
        "walked_only": sum(row["status"] == "walked" for row in rows),
        "convolutional": len(convolutional),
        "convolutional_exact": len(exact),
        "share_exact": round(len(exact) / max(1, len(convolutional)), 4),
        "others": len(run) - len(convolutional),
        "others_exact": sum(row["status"] == "exact" for row in run) - len(exact),
        "causes": dict(causes.most_common()),
        "convolutional_exported": sum(why == "yes" for why in exported),
        "convolutional_export_tried": len(exported),
        "export_causes": dict(refused.most_common()),
    }


def page(rows: list[dict[str, Any]]) -> str:
    """The documentation's page: figures, failures by cause, a line a family."""
    import timm
    import torch
    import torchvision

    figures = summary(rows)
    total = figures["run"] + figures["walked_only"]
    failed = [row for row in rows if row["status"] not in ("exact", "walked")]
    unexported = [row for row in rows if row.get("exports", "yes") != "yes"]
    sampled = [row for row in rows if "sampled" in row]
    hooks = sum(row["seen_by_hook"] for row in sampled)
    tried = [row for row in rows if "exports" in row]
    text = f"""# Which networks can be cut

Written by `benchmarks/zoo_coverage.py` (timm {timm.__version__}, torchvision {torchvision.__version__}, torch
{torch.__version__.split("+")[0]}); each row, with the points found, is in `benchmarks/results/zoo_coverage.json`.

{total} architectures with random weights: one variant of each prefix in each timm module, every ResNet, DenseNet,
EfficientNet, RegNet, ConvNeXt and MobileNet, and all of torchvision's classifiers. At the first, middle and last point
of each, a cut is **exact** if its features equal those of a forward hook on the whole network, bit for bit (where a
function stands behind the module, so that no hook sees the feature: those of the walked graph, which equals the whole
network's output; hooks saw {hooks} of {sum(row["sampled"] for row in sampled)}); it keeps the state-dict names; every
parameter gets a gradient; params are as stated; and the last point leaves out nothing but the classifier.

| | checked | exact | |
|---|---|---|---|
| with convolutions | {figures["convolutional"]} | {figures["convolutional_exact"]} | {figures["share_exact"]:.1%} |
| without (transformers, MLPs) | {figures["others"]} | {figures["others_exact"]} | |

A network has convolutions if one of them is more than the cutting of the image into patches. {figures["walked_only"]}
networks of more than {LARGEST_PARAMS / 1e6:.0f} M parameters were walked only, for want of memory. The middle cut of
{len(tried)} networks was exported to ONNX: {len(tried) - len(unexported)} passed the parity check.

## What fails, and why

"""
    text += "".join(f"- `{row['model']}`: {row['cause']}\n" for row in failed) or "No cut that was checked.\n\n"
    text += "".join(f"- `{row['model']}`, export: {row['exports']}\n" for row in unexported)
    text += "\n## By family\n\n| family | networks | exact | points | exported |\n|---|---|---|---|---|\n"
    families: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: str(row["model"])):
        families.setdefault(family(row["model"]), []).append(row)
    for name, members in sorted(families.items()):
        points = [row["points"] for row in members if "points" in row]
        span = f"{min(points)}-{max(points)}" if len(set(points)) > 1 else "".join(map(str, points[:1]))
        checked = [row for row in members if row["status"] != "walked"]
        exact = f"{sum(row['status'] == 'exact' for row in checked)} of {len(checked)}" if checked else "walked only"
        exported = [row["exports"] == "yes" for row in members if "exports" in row]
        shown = f"{sum(exported)} of {len(exported)}" if exported else ""
        text += f"| {name} | {len(members)} | {exact} | {span} | {shown} |\n"
    return text


def family(model: str) -> str:
    """The module that makes it: `timm resnet`, `torchvision densenet`."""
    import timm
    import torchvision

    if model.startswith("tv:"):
        return f"torchvision {torchvision.models.get_model_builder(model[3:]).__module__.rpartition('.')[2]}"
    return f"timm {timm.model_entrypoint(model).__module__.rpartition('.')[2]}"


if __name__ == "__main__":
    main()
