"""The options that several verbs share, each with its help."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

Given = dict[str, Any]
"""What the options of a run were given as: None, or False for a switch, where they weren't."""

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder of class folders, or of images/ and masks/; a CSV or Parquet manifest, a MedMNIST-style .npz, "
        "or digits.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="A timm name (resnet50, densenet121.tv_in1k), tv:NAME for torchvision, or unet:ENCODER."),
]
Weights = Annotated[
    str | None,
    typer.Option(help="default (the zoo's pretrained), none (random), or a local checkpoint. [default: default]"),
]
ImageSize = Annotated[
    int | None,
    typer.Option(help="Side of the square input, of a U-Net's crops, in pixels. [default: the backbone's, 256]"),
]
Config = Annotated[Path | None, typer.Option(help="A TOML file of options; a flag wins over it.")]
Out = Annotated[Path | None, typer.Option(help="The run folder. [default: ttl-run]")]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe", help="How it is fine-tuned: see ttl finetune --help; or FILE.toml. [default: full, of a U-Net unet]"
    ),
]
FreezeBelow = Annotated[
    str | None, typer.Option(help="For the recipes lwft and freeze-below: the point up to which all stays as it is.")
]
Augmentation = Annotated[
    str | None,
    typer.Option(
        "--augment",
        help="none, ttl, partial-transfusion or microscopy; TOML recipes can say more. [default: the recipe's]",
    ),
]
Balance = Annotated[
    str | None, typer.Option(help="Rare classes: none, loss (they count more) or sampler (shown more). [default: none]")
]
Loss = Annotated[
    str | None, typer.Option(help="Of a segmentation: dice+ce, dice or ce (cross-entropy). [default: dice+ce]")
]
TrainFraction = Annotated[float | None, typer.Option(help="Share of the training images to use. [default: 1]")]
Epochs = Annotated[
    int | None, typer.Option(help="At most so many epochs a fine-tune. [default: the recipe's stop rule]")
]
BatchSize = Annotated[int | None, typer.Option(help="Images a step. [default: the recipe's]")]
Rate = Annotated[float | None, typer.Option("--lr", help="Learning rate. [default: the recipe's]")]
Pool = Annotated[
    str | None, typer.Option(help="avg, max, avgmax, token (the class token), or none (flatten). [default: avg]")
]
Dropout = Annotated[float | None, typer.Option(help="Dropout before the linear layer. [default: the recipe's]")]
Seed = Annotated[int | None, typer.Option(help="Of the split, the heads, the order and the augmentation. [default: 0]")]
Seeds = Annotated[
    int | None, typer.Option(help="Fine-tunes of each point, with --seed and those after it. [default: 1]")
]
Splits = Annotated[Path | None, typer.Option(help="A splits.csv to use instead of a new split.")]
ValFraction = Annotated[float | None, typer.Option(help="Share of the images that validate. [default: 0.16]")]
TestFraction = Annotated[float | None, typer.Option(help="Share of the images that test. [default: 0.2]")]
ImageColumn = Annotated[str | None, typer.Option(help="Of a manifest: paths. [default: by its name]")]
LabelColumn = Annotated[
    list[str] | None,
    typer.Option("--label-column", help="Of a manifest: class names; given several times, a class each of 1 and 0."),
]
MaskColumn = Annotated[str | None, typer.Option(help="Of a manifest of images with masks: where these are.")]
GroupColumn = Annotated[str | None, typer.Option(help="Of a manifest: the patient, who is in one split only.")]
SplitColumn = Annotated[str | None, typer.Option(help="Of a manifest: train, val or test.")]
WindowOf = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--window",
        metavar="CENTER WIDTH",
        help="Of DICOM files: the values to show, in Hounsfield units for CT. [default: the header's window]",
    ),
]
Dedupe = Annotated[
    str | None, typer.Option(help="Images that show the same: keep them together in one split, or drop all but one.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without the images that can't be read.")]
Margin = Annotated[
    float | None,
    typer.Option(
        help="Loss in the metric that doesn't matter, to choose and to judge by. [default: 0.01 of AUPRC, 0.02 of Dice]"
    ),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. [default: auto]")]
Threads = Annotated[int | None, typer.Option(help="CPU threads. [default: all]")]
Jobs = Annotated[
    int | None,
    typer.Option(help="Fine-tunes at once, each in its own process. [default: 1; under Ray all that fit]"),
]
EngineName = Annotated[
    str | None, typer.Option("--engine", help="Where fine-tunes run: local, or ray (a Ray cluster). [default: local]")
]
RayAddress = Annotated[
    str | None, typer.Option(help="Of a Ray cluster that runs already, or auto. [default: one on this machine]")
]
Gpus = Annotated[
    float | None, typer.Option(help="Of each fine-tune under Ray; 0.5 shares one. [default: 1 if the cluster has any]")
]
Amp = Annotated[
    str | None, typer.Option(help="Mixed precision while training: no, bf16, or fp16 (CUDA only). [default: no]")
]
Accumulate = Annotated[
    int | None, typer.Option(help="Parts that each batch is computed in, to need less memory. [default: 1]")
]
Track = Annotated[
    str | None, typer.Option(help="Learning curves for none, or tensorboard (in the run folder). [default: none]")
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        help="How the point is searched: joint, two-stage, exhaustive, svcca or probe. [default: joint]",
    ),
]
Halving = Annotated[
    int | None, typer.Option(help="After so many epochs, twice as many, ..., stop the fine-tunes that fell behind.")
]
Select = Annotated[
    str | None,
    typer.Option(help="The smallest point not inferior to the best (see --margin), or the best. [default: smallest]"),
]
MaxParams = Annotated[str | None, typer.Option(help="Search among points of at most so many parameters, as 1.5M.")]
MaxMacs = Annotated[str | None, typer.Option(help="Search among points of at most so many MACs, as 300M.")]
MaxLatency = Annotated[
    float | None,
    typer.Option(
        "--max-latency-ms", help="Search among points that take at most so many ms an image on this CPU, measured."
    ),
]
MinPoint = Annotated[str | None, typer.Option(help="Search from this point on.")]
WithinWeights = Annotated[
    bool, typer.Option("--within-weights", help="Search only among points that the loaded weights cover.")
]
Finish = Annotated[
    str | None,
    typer.Option(help="block, or norm: a cut takes along the norm that the next block begins with. [default: block]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

RUN_OPTIONS: dict[str, Any] = {
    "data": Data,
    "model": Model,
    "weights": Weights,
    "image_size": ImageSize,
    "out": Out,
    "config": Config,
    "strategy": StrategyName,
    "halving": Halving,
    "select": Select,
    "max_params": MaxParams,
    "max_macs": MaxMacs,
    "max_latency_ms": MaxLatency,
    "min_point": MinPoint,
    "within_weights": WithinWeights,
    "finish": Finish,
    "recipe": RecipeName,
    "freeze_below": FreezeBelow,
    "augment": Augmentation,
    "balance": Balance,
    "loss": Loss,
    "train_fraction": TrainFraction,
    "epochs": Epochs,
    "batch_size": BatchSize,
    "lr": Rate,
    "pool": Pool,
    "dropout": Dropout,
    "seed": Seed,
    "seeds": Seeds,
    "splits": Splits,
    "val_fraction": ValFraction,
    "test_fraction": TestFraction,
    "image_column": ImageColumn,
    "label_column": LabelColumn,
    "mask_column": MaskColumn,
    "group_column": GroupColumn,
    "split_column": SplitColumn,
    "window": WindowOf,
    "dedupe": Dedupe,
    "skip_bad": SkipBad,
    "margin": Margin,
    "device": Device,
    "threads": Threads,
    "jobs": Jobs,
    "engine": EngineName,
    "ray_address": RayAddress,
    "gpus": Gpus,
    "amp": Amp,
    "accumulate": Accumulate,
    "track": Track,
}
"""In the order of the help; all but `config` and `label_column` are fields of `RunConfig`."""
SWITCHES = frozenset({"within_weights", "skip_bad"})
ENGINE = ("jobs", "engine", "ray_address", "gpus")
"""Where the fine-tunes of a search run."""
SEARCH_ONLY = (
    "strategy",
    "halving",
    "select",
    "max_params",
    "max_macs",
    "max_latency_ms",
    "min_point",
    "within_weights",
    "margin",
    *ENGINE,
)
"""What says nothing to a fine-tune at one point."""


def with_options(leave_out: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb the options of a run as parameters, between its own and `--json`; it gets them as `given`.

    Args:
        leave_out: those that say nothing to this verb.
    """

    def decorated(work: Callable[..., None]) -> Callable[..., None]:
        own = {name: p for name, p in signature(work, eval_str=True).parameters.items() if name != "given"}

        @wraps(work)
        def wrapped(**told: Any) -> None:
            kept = {name: told.pop(name) for name in own}
            work(given=told, **kept)

        shared = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=False if name in SWITCHES else None, annotation=hint)
            for name, hint in RUN_OPTIONS.items()
            if name not in leave_out
        ]
        first = [p.replace(kind=Parameter.KEYWORD_ONLY) for name, p in own.items() if name != "as_json"]
        parameters = [*first, *shared, own["as_json"].replace(kind=Parameter.KEYWORD_ONLY)]
        wrapped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorated
