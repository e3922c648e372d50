"""The options of a run, each said once: type, default, help, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import model_validator

from ttl.options.option import Option, kebab
from ttl.options.options import Options
from ttl.options.read import read_options
from ttl.options.values import (
    LARGEST_SEED,
    Amount,
    Count,
    Device,
    NotNegative,
    Part,
    Place,
    Positive,
    Probability,
    Repeats,
    Seed,
    Share,
    Size,
    Text,
    Texts,
    Window,
)


class RunConfig(Options):
    """Everything that a run may be asked for.

    Relative paths are relative to the current directory, in a TOML file too: the same line means the
    same place whether it is typed or read.
    """

    data: Annotated[
        Text,
        Option(
            "A folder of class folders, or of images/ and masks/; a CSV or Parquet manifest, a MedMNIST-style .npz, or "
            "digits",
            "data",
            is_argument=True,
            is_place=True,
        ),
    ]
    model: Annotated[
        Text, Option("A timm name (resnet50, densenet121.tv_in1k), tv:NAME for torchvision, or unet:ENCODER", "network")
    ]
    weights: Annotated[
        Text,
        Option(
            "Starting weights: default (the zoo's pretrained), none (random), or a local checkpoint",
            "network",
            is_place=True,
        ),
    ] = "default"
    image_size: Annotated[
        Size | None,
        Option(
            "Pixels of the input, of a U-Net's crops: the side of a square, or height and width as 165x342",
            "network",
            unset="the backbone's; of a U-Net 256",
            metavar="SIDE|HxW",
        ),
    ] = None
    finish: Annotated[
        Literal["block", "norm"],
        Option(
            "Where a cut ends",
            "network",
            choices={"norm": "it takes along the norm that the next block begins with"},
            decides_trial=True,
        ),
    ] = "block"

    strategy: Annotated[
        Literal["joint", "two-stage", "exhaustive", "svcca", "probe"], Option("How the point is searched", "search")
    ] = "joint"
    halving: Annotated[
        Count | None, Option("After so many epochs, twice as many, ..., stop the fine-tunes that fell behind", "search")
    ] = None

    max_params: Annotated[
        Amount | None, Option("Search among points of at most so many parameters, as 1.5M", "candidates")
    ] = None
    max_macs: Annotated[
        Amount | None,
        Option("Search among points of at most so many MACs (multiply-adds an image), as 300M", "candidates"),
    ] = None
    max_latency_ms: Annotated[
        Positive | None,
        Option("Search among points that take at most so many ms an image on this CPU, measured", "candidates"),
    ] = None
    min_point: Annotated[Text | None, Option("Search from this point on", "candidates")] = None
    within_weights: Annotated[bool, Option("Search only among points that the loaded weights cover", "candidates")] = (
        False
    )

    select: Annotated[
        Literal["smallest", "best"],
        Option(
            "Which point is chosen",
            "judging",
            choices={"smallest": "that is not inferior to the best one, see --margin"},
        ),
    ] = "smallest"
    margin: Annotated[
        Share | None,
        Option(
            "Loss in the metric that doesn't matter, to choose and to judge by",
            "judging",
            unset="0.01 of AUPRC, 0.02 of Dice",
        ),
    ] = None

    recipe: Annotated[
        Text | None,
        Option(
            "Recipe of the fine-tunes, see ttl finetune --help; or FILE.toml",
            "fine-tuning",
            unset="full; of a U-Net unet",
            decides_trial=True,
        ),
    ] = None
    freeze_below: Annotated[
        Text | None,
        Option(
            "For the recipes lwft and freeze-below: the point up to which all stays as it is",
            "fine-tuning",
            decides_trial=True,
        ),
    ] = None
    epochs: Annotated[
        Count | None,
        Option("At most so many epochs a fine-tune", "fine-tuning", unset="the recipe's stop rule", decides_trial=True),
    ] = None
    batch_size: Annotated[
        Count | None, Option("Images a step", "fine-tuning", unset="the recipe's", decides_trial=True)
    ] = None
    augment: Annotated[
        Text | None,
        Option(
            "Augmentation: none, ttl, partial-transfusion or microscopy; TOML recipes can say more",
            "fine-tuning",
            unset="the recipe's",
            decides_trial=True,
        ),
    ] = None
    balance: Annotated[
        Literal["none", "loss", "sampler"],
        Option(
            "What evens out rare classes",
            "fine-tuning",
            choices={"loss": "they count more", "sampler": "they are drawn more often"},
            decides_trial=True,
        ),
    ] = "none"
    loss: Annotated[
        Literal["dice+ce", "dice", "ce"] | None,
        Option(
            "Loss of a segmentation",
            "fine-tuning",
            unset="dice+ce",
            choices={"ce": "cross-entropy"},
            decides_trial=True,
        ),
    ] = None

    lr: Annotated[
        Positive | None, Option("Learning rate", "head and learning rate", unset="the recipe's", decides_trial=True)
    ] = None
    pool: Annotated[
        Literal["avg", "max", "avgmax", "token", "none"],
        Option(
            "What the head does with the feature map first",
            "head and learning rate",
            choices={"token": "take the class token", "none": "flatten it"},
            decides_trial=True,
        ),
    ] = "avg"
    dropout: Annotated[
        Probability | None,
        Option("Dropout before the linear layer", "head and learning rate", unset="the recipe's", decides_trial=True),
    ] = None

    seed: Annotated[
        Seed, Option("Seed of the split, the heads, the order of images and the augmentation", "fine-tuning")
    ] = 0
    seeds: Annotated[Repeats, Option("Fine-tunes of each point, with --seed and those after it", "fine-tuning")] = 1

    train_fraction: Annotated[Part, Option("Share of the training images to use", "data")] = 1.0
    splits: Annotated[Place | None, Option("A splits.csv to use instead of a new split", "data", is_place=True)] = None
    val_fraction: Annotated[Share, Option("Share of the images that validate", "data")] = 0.16
    test_fraction: Annotated[Share, Option("Share of the images that test", "data")] = 0.20
    image_column: Annotated[
        Text | None, Option("Column of a manifest with the paths of the images", "data", unset="by its name")
    ] = None
    label_columns: Annotated[
        Texts,
        Option(
            "Column of a manifest with the class names; of several, each is a class of 1 and 0",
            "data",
            flag="label-column",
        ),
    ] = ()
    mask_column: Annotated[Text | None, Option("Column of a manifest with the paths of the masks", "data")] = None
    group_column: Annotated[
        Text | None, Option("Column of a manifest with the patient, who is in one split only", "data")
    ] = None
    split_column: Annotated[Text | None, Option("Column of a manifest that says train, val or test", "data")] = None
    window: Annotated[
        Window | None,
        Option(
            "Values of DICOM files to show, in Hounsfield units for CT",
            "data",
            unset="the header's window",
            metavar="CENTER WIDTH",
        ),
    ] = None
    dedupe: Annotated[
        Literal["together", "drop"] | None,
        Option(
            "Images that show the same",
            "data",
            unset="left as they are, and named",
            choices={"together": "in one split", "drop": "all but one"},
        ),
    ] = None
    skip_bad: Annotated[bool, Option("Go on without the images that can't be read", "data")] = False

    device: Annotated[
        Device,
        Option("Where to compute: auto (CUDA if there is any), cpu, cuda, cuda:N or mps", "machine", is_compared=False),
    ] = "auto"
    threads: Annotated[Count | None, Option("CPU threads", "machine", unset="all", is_compared=False)] = None
    amp: Annotated[
        Literal["no", "bf16", "fp16"],
        Option("Mixed precision while training", "machine", choices={"fp16": "CUDA only"}, decides_trial=True),
    ] = "no"
    accumulate: Annotated[
        Count, Option("Parts that each batch is computed in, to need less memory", "machine", decides_trial=True)
    ] = 1

    jobs: Annotated[
        Count | None,
        Option(
            "Fine-tunes at once, each in its own process",
            "workers",
            unset="1; under Ray all that fit",
            is_compared=False,
        ),
    ] = None
    engine: Annotated[
        Literal["local", "ray"],
        Option("Where fine-tunes run", "workers", choices={"ray": "a Ray cluster"}, is_compared=False),
    ] = "local"
    ray_address: Annotated[
        Text | None,
        Option(
            "Address of a Ray cluster that runs already, or auto",
            "workers",
            unset="one on this machine",
            is_compared=False,
        ),
    ] = None
    gpus: Annotated[
        NotNegative | None,
        Option(
            "GPUs of each fine-tune under Ray; 0.5 shares one",
            "workers",
            unset="1 if the cluster has any",
            is_compared=False,
        ),
    ] = None

    out: Annotated[Place | None, Option("The run folder", "output", unset="ttl-run", is_compared=False)] = None
    track: Annotated[
        Literal["none", "tensorboard"],
        Option(
            "Tracker of the learning curves", "output", choices={"tensorboard": "in the run folder"}, is_compared=False
        ),
    ] = "none"

    @model_validator(mode="after")
    def _something_left_to_train_on(self) -> Self:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"val-fraction {self.val_fraction:g} and test-fraction {self.test_fraction:g} leave nothing "
                "to train on: their sum should be below 1"
            )
        return self

    @model_validator(mode="after")
    def _seeds_within_range(self) -> Self:
        if self.seed + self.seeds - 1 > LARGEST_SEED:
            raise ValueError(f"seed {self.seed} with {self.seeds} seeds goes beyond {LARGEST_SEED}: lower it")
        return self

    @model_validator(mode="after")
    def _ray_is_asked_for(self) -> Self:
        for name in ("ray_address", "gpus"):
            if self.engine != "ray" and getattr(self, name) is not None:
                raise ValueError(f"{kebab(name)} is for engine ray: add --engine ray, or leave it out")
        return self


def load_config(path: Path | None, flags: Mapping[str, object]) -> RunConfig:
    """The options of a run from a TOML file and from flags; see `read_options`.

    Raises:
        UsageError: an unreadable file, an unknown option, a bad value, or no `data` or `model`.
    """
    return read_options(RunConfig, path, flags)
