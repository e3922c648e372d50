"""The options that several verbs share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder of class folders, a CSV or Parquet manifest, a MedMNIST-style .npz, or digits.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None, typer.Option(help="A timm name (resnet50, densenet121.tv_in1k), or tv:NAME for torchvision.")
]
Weights = Annotated[
    str | None,
    typer.Option(help="default (the zoo's pretrained), none (random), or a local checkpoint. [default: default]"),
]
ImageSize = Annotated[int | None, typer.Option(help="Side of the square input in pixels. [default: the backbone's]")]
Config = Annotated[Path | None, typer.Option(help="A TOML file of options; a flag wins over it.")]
Out = Annotated[Path | None, typer.Option(help="The run folder. [default: ttl-run]")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="How it is fine-tuned: see ttl finetune --help; or FILE.toml. [default: full]"),
]
FreezeBelow = Annotated[
    str | None, typer.Option(help="For the recipes lwft and freeze-below: the point up to which all stays as it is.")
]
Augmentation = Annotated[
    str | None,
    typer.Option(
        "--augment", help="none, ttl or partial-transfusion; TOML recipes can say more. [default: the recipe's]"
    ),
]
Balance = Annotated[
    str | None, typer.Option(help="Rare classes: none, loss (they count more) or sampler (shown more). [default: none]")
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
    float | None, typer.Option(help="Loss in the test metric that doesn't matter: non-inferiority. [default: 0.01]")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. [default: auto]")]
Threads = Annotated[int | None, typer.Option(help="CPU threads. [default: all]")]
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
    str | None, typer.Option("--strategy", help="How the point is searched: two-stage. [default: two-stage]")
]
WithinWeights = Annotated[
    bool, typer.Option("--within-weights", help="Search only among points that the loaded weights cover.")
]
Finish = Annotated[
    str | None,
    typer.Option(help="block, or norm: a cut takes along the norm that the next block begins with. [default: block]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
