"""What truncation saves in time, against the MACs that it saves, and against width pruning at equal MACs.

    pip install 'ttl[bench]'
    python benchmarks/latency.py                                   # three networks, 224 pixels, one thread
    python benchmarks/latency.py --only resnet50 --threads 2

Each network is timed whole, truncated at every stage end, and pruned by Torch-Pruning (the same share of the channels
of every layer, those of least magnitude) to the MACs of each of those cuts. ResNet-50 has another two: pruned to 0.79
of its MACs, beside the cut that is nearest to that, with the widths that this gives and with widths that are multiples
of 16, as fast kernels like them (`--widths 1 16` has both everywhere). All have a linear layer for 1000 classes. By
the protocol of `ttl bench` (docs/latency.md): in turns, in fresh processes, in onnxruntime and in PyTorch eager; every
ratio is to the whole network in the same runtime. Weights are random: the time of a dense network doesn't depend on
them.

On two idle cores it took 18 minutes: six for ResNet-50, eight for DenseNet-121, four for EfficientNet-b0. Making and
exporting the networks is more than half of it; `seconds` in the results has what each took.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from pruning import macs_of, pruned_to
from shared import measured_on
from torch import nn

from ttl.cost.bench import Bench, bench
from ttl.cost.latency import Latency, latency_rows
from ttl.cost.subject import EAGER, Subject
from ttl.cut.points import TruncationPoint, truncation_points
from ttl.cut.truncation import truncate
from ttl.export.to_file import export_onnx
from ttl.stats import ratio_interval

RESULTS = Path(__file__).parent / "results" / "latency.json"
NETWORKS = ("resnet50", "densenet121", "efficientnet_b0")
QUESTION = {"resnet50": 0.79}
"""Network -> the share of its MACs at which pruning was measured to be slower than the whole network."""
WHOLE = "whole"
QUESTION_WIDTHS = (1, 16)
CLASSES = 1000


@dataclass(frozen=True)
class Rival:
    """A network to be timed: how it was made smaller, to which share of the MACs, and what was aimed at."""

    name: str
    way: str
    aim: str
    macs_ratio: float
    wanted_ratio: float
    reached: bool = True
    pruning_ratio: float | None = None


def main() -> None:
    """Make the networks, time them, print the table, write it as JSON."""
    told = arguments()
    content: dict[str, Any] = {**measured_on(), "networks": {}}
    content["versions"]["torch-pruning"] = version("torch-pruning")
    for name in [name for name in told.models if fnmatch(name, told.only)]:
        began = perf_counter()
        with TemporaryDirectory() as folder:
            rivals = list(made(name, told, Path(folder)))
            timed = bench(
                [subject for rival in rivals for subject in subjects(Path(folder), rival, told.image_size)],
                threads=told.threads,
                runs=told.rounds,
                processes=told.processes,
                seconds=told.seconds,
                inspect=False,
            )
        rows = latency_rows(timed, reference=WHOLE, ratio=ratio_interval)
        content["networks"][name] = described(told, timed, rivals, rows) | {"seconds": perf_counter() - began}
        show(name, rivals, rows)
        told.results.parent.mkdir(parents=True, exist_ok=True)
        told.results.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=NETWORKS, help="timm names")
    parser.add_argument("--only", default="*", help="a glob of names")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--widths", type=int, nargs="+", default=[1], help="pruned widths are multiples of it")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=135, help="of each network, all processes together")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=180.0, help="limit for timing one network")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def made(name: str, told: argparse.Namespace, folder: Path) -> Iterator[Rival]:
    """Every rival, the whole network last, its ONNX file and its module left in `folder`."""
    import timm

    torch.manual_seed(0)
    model, image = timm.create_model(name).eval(), torch.randn(1, 3, told.image_size, told.image_size)
    points = truncation_points(model, image_size=told.image_size)
    whole = truncate(model, points[-1], num_classes=CLASSES).eval()
    full = macs_of(whole, image)
    aims: list[tuple[str, float, Sequence[int]]] = []
    for point in cuts(name, points):
        small = truncate(model, point, num_classes=CLASSES).eval()
        share = macs_of(small, image) / full
        aims.append((point.name, share, told.widths))
        yield kept(small, Rival(point.name, "truncated", point.name, share, share), folder, image)
    if name in QUESTION:
        aims.append((f"x {QUESTION[name]}", QUESTION[name], QUESTION_WIDTHS))
    for aim, wanted, multiples in aims:
        for widths in multiples:
            narrow, found, reached = pruned_to(wanted, whole, image, widths=widths)
            way = "pruned" if widths == 1 else f"pruned, widths by {widths}"
            rival = Rival(f"{way} {aim}", way, aim, found.macs_ratio, wanted, reached, found.pruning_ratio)
            yield kept(narrow, rival, folder, image)
    yield kept(whole, Rival(WHOLE, WHOLE, WHOLE, 1.0, 1.0), folder, image)


def cuts(name: str, points: Sequence[TruncationPoint]) -> list[TruncationPoint]:
    """Every stage end but the last, and the point that is nearest to the share of MACs in question."""
    below = points[:-1]
    nearest = min(below, key=lambda point: abs(point.macs / points[-1].macs - QUESTION.get(name, 1.0)))
    return [point for point in below if point.is_stage_end or (name in QUESTION and point is nearest)]


def kept(model: nn.Module, rival: Rival, folder: Path, image: torch.Tensor) -> Rival:
    """Write it as ONNX, checked, and as a module; say that it is there."""
    torch.save(model, module_file(folder, rival))
    export_onnx(model, onnx_file(folder, rival), check_on=image)
    print(f"made {rival.name}: {rival.macs_ratio:.3f} of the MACs, {rival.wanted_ratio:.3f} wanted", flush=True)
    return rival


def module_file(folder: Path, rival: Rival) -> Path:
    """Of the module."""
    return folder / f"{rival.name}.pt"


def onnx_file(folder: Path, rival: Rival) -> Path:
    """Of the ONNX file."""
    return folder / f"{rival.name}.onnx"


def subjects(folder: Path, rival: Rival, image_size: int) -> tuple[Subject, Subject]:
    """It in onnxruntime, and in PyTorch."""
    loader = f"{Path(__file__).stem}:load_module"
    shape = (3, image_size, image_size)
    return (
        Subject(rival.name, onnx_file(folder, rival)),
        Subject(rival.name, module_file(folder, rival), EAGER, loader, shape),
    )


def load_module(path: Path) -> nn.Module:
    """What `kept` wrote; called in the processes that time it."""
    module = torch.load(path, weights_only=False)
    assert isinstance(module, nn.Module)
    return module


def described(
    told: argparse.Namespace, timed: Bench, rivals: Sequence[Rival], rows: Sequence[Latency]
) -> dict[str, Any]:
    """All that was measured of one network."""
    timings = {rival.name: [asdict(row) for row in rows if row.model == rival.name] for rival in rivals}
    return {
        **asdict(timed.conditions),
        "image_size": told.image_size,
        "rounds": told.rounds,
        "processes": timed.processes,
        "settled": timed.warm,
        "cut_short": timed.cut_short,
        "rows": [{**asdict(rival), "latency": timings[rival.name]} for rival in rivals],
    }


def show(name: str, rivals: Sequence[Rival], rows: Sequence[Latency]) -> None:
    """The table: of each network and thread count, MACs beside the time in both runtimes."""
    for threads in dict.fromkeys(row.threads for row in rows):
        print(f"\n{name}, threads {threads}; time against the whole network (95 % interval)")
        print(f"{'':<48}  MACs ratio  {'onnxruntime':<32}  PyTorch eager")
        for rival in rivals:
            both = [in_words(row) for row in rows if (row.model, row.threads) == (rival.name, threads)]
            missed = "" if rival.reached else "  (its MACs were not reached)"
            print(f"{rival.name:<48}  {rival.macs_ratio:>10.3f}  {'  '.join(f'{cell:<32}' for cell in both)}{missed}")


def in_words(row: Latency) -> str:
    """`0.752 (0.741 to 0.763), 61.2 ms`."""
    ratio = "1"
    if row.ratio_to_full is not None and row.ratio_ci is not None:
        ratio = "{:.3f} ({:.3f} to {:.3f})".format(row.ratio_to_full, *row.ratio_ci)
    return f"{ratio}, {row.p50_ms:.1f} ms"


if __name__ == "__main__":
    main()
