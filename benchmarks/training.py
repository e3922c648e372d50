"""The training loop and its input pipeline, each against what a person would write without ttl.

    python benchmarks/training.py xray/ --model tv:mobilenet_v2 --weights mobilenet_v2.pth --image-size 112

Three comparisons, each taken in turns in one process after a warm-up of each; given are medians and the median of the
ratios of the turns:

- loop: ttl's steps against a bare PyTorch loop (zero_grad, forward, cross entropy, backward, Adam) that is given the
  very tensors the network takes, already normalised and in memory. Neither augments. ttl starts from uint8 pixels.
- recipes: an epoch in which the whole network trains, one in which head and batch norms do, one of the head alone:
  training steps only, the recipes' own batch norm modes.
- input: batches of augmented, normalised tensors and nothing else: ttl's cached pixels and batch warps against
  torchvision's ImageFolder, the same crop and rotation, ToTensor and Normalize in a DataLoader, at as many workers.
  ttl has none: it is compared at 0 workers, and its one thread against the loader's two workers as well.

Peak memory is the most that a process of its own took for each recipe, less what it took before training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, cast

import torch
from shared import context_in, measured_on, study_config, study_parser
from torch import nn
from torch.nn import functional as F

from ttl.data import AUGMENTATIONS
from ttl.data.decoded import Images
from ttl.finetune import fit, recipe
from ttl.finetune.feed import Feed
from ttl.run.context import RunContext
from ttl.run.trial_run import settings_of

RESULTS = Path(__file__).parent / "results" / "training.json"
SHOWN = ("full", "fc-bn", "fc")


def main() -> None:
    """Measure, print the tables, write them as JSON."""
    told = arguments()
    context = context_in(study_config(told), told.cache)
    if told.memory_of:
        print(json.dumps(peak_memory(context, told.memory_of)))
        return
    rows: dict[str, Any] = {**measured_on(), "definition": context.setting.definition(), "turns": told.turns}
    ready = context.normalise(some(context).pixels)
    rows["loop"] = in_turns(
        {"ttl": lambda: ttl_loop(context), "bare": lambda: bare_loop(context, ready)}, told.turns, "bare"
    )
    rows["recipes"] = in_turns({name: epoch_of(context, name) for name in SHOWN}, told.turns, "full")
    for name in SHOWN:
        rows["recipes"][name]["peak_memory_mb"] = asked_of_a_process(name)
    if Path(told.data).is_dir():
        rows["input"] = in_turns(
            {
                "ttl": lambda: exhausted(feed(context, "ttl")),
                "ImageFolder, 0 workers": lambda: exhausted(image_folder(context, 0)),
                "ImageFolder, 2 workers": lambda: exhausted(image_folder(context, 2)),
            },
            told.turns,
            "ImageFolder, 0 workers",
        )
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for table in ("loop", "recipes", "input"):
        for name, row in rows.get(table, {}).items():
            memory = f"  {row['peak_memory_mb']:.0f} MB" if "peak_memory_mb" in row else ""
            print(f"{table:<8} {name:<24} {row['images_per_second']:8.1f} images/s  x {row['ratio']:.3f}{memory}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--cache", type=Path, default=Path("training-cache"))
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_turns(work: dict[str, Callable[[], int]], turns: int, reference: str) -> dict[str, Any]:
    """Images per second of each piece of work, which returns how many it showed, and its ratio to the reference."""
    for each in work.values():
        each()
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(turns):
        for name, each in work.items():
            start = perf_counter()
            shown = each()
            rates[name].append(shown / (perf_counter() - start))
    ratios = {name: [a / b for a, b in zip(rates[name], rates[reference], strict=True)] for name in work}
    return {
        name: {"images_per_second": median(rates[name]), "ratio": median(ratios[name]), "turns": rates[name]}
        for name in work
    }


def model_of(context: RunContext) -> nn.Module:
    """The whole network with a head for the task, a new copy."""
    setting = context.setting
    model = setting.whole.build(setting.network, setting.head, 0)
    return model.to(memory_format=torch.channels_last)


def some(context: RunContext) -> Images:
    """Four batches of training images: an epoch that is short enough to take turns."""
    train = cast(Images, context.images.split("train"))
    few = 4 * context.setting.recipe.batch_size
    return Images(train.pixels[:few].clone(), train.labels[:few])


def ttl_loop(context: RunContext, name: str = "full", augment: str = "none") -> int:
    """An epoch of ttl's training steps; validation is of four images, as `fit` needs some."""
    train = some(context)
    how = replace(recipe(name), augment=augment)
    last = how.phases[-1]
    how = replace(how, phases=(replace(last, stop=replace(last.stop, epochs=1)),))
    val = Images(train.pixels[:4], train.labels[:4])
    fit(model_of(context), train, val, how, settings_of(context.setting, 0, context.setting.whole.top))
    return len(train.labels)


def epoch_of(context: RunContext, name: str) -> Callable[[], int]:
    """An epoch of the last phase of a recipe, with its augmentation."""
    return lambda: ttl_loop(context, name, "ttl")


def bare_loop(context: RunContext, tensors: torch.Tensor) -> int:
    """The same steps as a person writes them, on tensors that are ready, validation of four images included."""
    train = some(context)
    model = model_of(context)
    model.train()
    labels = torch.from_numpy(train.labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    for index in torch.split(torch.randperm(len(labels)), context.setting.recipe.batch_size):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tensors[index]), labels[index])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        model(tensors[:4])
    return len(labels)


def feed(context: RunContext, augment: str) -> Iterator[torch.Tensor]:
    """Every training image once, as ttl hands them to the network."""
    batches = Feed(
        context.images.split("train"),
        AUGMENTATIONS[augment],
        context.normalise,
        batch_size=context.setting.recipe.batch_size,
        generator=torch.Generator().manual_seed(0),
    )
    return (part.inputs for batch in batches for part in batch.parts)


def image_folder(context: RunContext, workers: int) -> Iterator[torch.Tensor]:
    """The same images with the same crop, rotation and normalisation, by torchvision and a DataLoader."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    spec, augment = context.setting.network.spec, AUGMENTATIONS["ttl"]
    steps = [
        v2.Resize(spec.sides, antialias=True),
        v2.RandomRotation(augment.max_rotation_degrees, interpolation=v2.InterpolationMode.BILINEAR),
        v2.RandomResizedCrop(spec.sides, scale=(augment.min_crop_scale**2, 1), ratio=(1, 1), antialias=True),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(spec.mean, spec.std),
    ]
    images = ImageFolder(context.setting.config.data, v2.Compose(steps))
    position = {path: number for number, (path, _) in enumerate(images.samples)}
    root = Path(context.setting.config.data)
    chosen = [position[str(root / name)] for name in context.setting.task.train.ids]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(images, chosen),
        batch_size=context.setting.recipe.batch_size,
        shuffle=True,
        num_workers=workers,
    )
    return (inputs for inputs, _ in loader)


def exhausted(batches: Iterable[torch.Tensor]) -> int:
    """How many images there were, once all have been made."""
    return sum(len(inputs) for inputs in batches)


def peak_memory(context: RunContext, name: str) -> float:
    """MB of resident memory that an epoch of the recipe takes at most, less what the process takes before (Linux)."""
    context.images.all()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = _status("VmRSS")
    epoch_of(context, name)()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    """A figure of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def asked_of_a_process(name: str) -> float:
    """`peak_memory` in a process of its own: what one took before doesn't hide what the next takes."""
    command = [sys.executable, __file__, *sys.argv[1:], "--memory-of", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
