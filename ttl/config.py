"""The options of a run, each described once: type, default, help, and what it decides."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from ttl.options import values
from ttl.options.option import Option, Options, kebab, option
from ttl.options.values import Amount, Count, Part, Place, Positive, Share, Text

AIMS = ("sensitivity", "specificity", "threshold", "costs")
"""Options that each set the threshold."""


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
    weights: Text = option(
        "default",
        "Starting weights: default (the zoo's pretrained), none (random), or a local checkpoint",
        "network",
        is_place=True,
    )
    image_size: values.Size | None = option(
        None,
        "Pixels of the input, of a U-Net's crops: the side of a square, or height and width as 165x342",
        "network",
        unset="the backbone's; of a U-Net 256",
        metavar="SIDE|HxW",
    )
    fit: Literal["squash", "crop", "pad"] = option(
        "squash",
        "What is done with an image of other proportions",
        "network",
        "trial",
        choices={"crop": "take its middle", "pad": "show it whole, with black beside it"},
    )
    finish: Literal["block", "norm"] = option(
        "block",
        "Where a cut ends",
        "network",
        "trial",
        choices={"norm": "it takes along the norm that the next block begins with"},
    )

    strategy: Literal["joint", "two-stage", "exhaustive", "svcca", "probe"] = option(
        "joint", "How the point is searched", "search"
    )
    halving: Count | None = option(
        None, "After so many epochs, twice as many, ..., stop the fine-tunes that fell behind", "search"
    )

    folds: values.Folds | None = option(
        None,
        "Choose by cross-validation of train and val together, with so many folds, and deliver fine-tunes on both",
        "search",
        unset="one validation split",
    )

    max_params: Amount | None = option(None, "Search among points of at most so many parameters, as 1.5M", "candidates")
    max_macs: Amount | None = option(
        None, "Search among points of at most so many MACs (multiply-adds an image), as 300M", "candidates"
    )
    max_latency_ms: Positive | None = option(
        None, "Search among points that take at most so many ms an image on this CPU, measured", "candidates"
    )
    min_point: Text | None = option(None, "Search from this point on", "candidates")
    within_weights: bool = option(False, "Search only among points that the loaded weights cover", "candidates")

    select: Literal["smallest", "best"] = option(
        "smallest",
        "Which point is chosen",
        "judging",
        choices={"smallest": "that is not inferior to the best one, see --margin"},
    )
    margin: Share | None = option(
        None,
        "Loss in the metric that doesn't matter, to choose and to judge by",
        "judging",
        unset="0.01 of AUPRC, 0.02 of Dice",
    )

    sensitivity: values.Share | None = option(
        None, "Set the threshold for this sensitivity, on the validation images", "deciding", "decision"
    )
    specificity: values.Share | None = option(
        None, "Set the threshold for this specificity, on the validation images", "deciding", "decision"
    )
    threshold: values.Share | None = option(
        None,
        "The probability from which on a finding counts as present",
        "deciding",
        "decision",
        unset="the best balanced accuracy on the validation images; of masks the best Dice",
    )
    costs: values.Costs | None = option(
        None,
        "Set the threshold for the lowest cost: of a missed finding, and of a false alarm, as 5:1",
        "deciding",
        "decision",
        metavar="FN:FP",
    )
    confidence: values.Share = option(
        0.8, "With which the sensitivity, or specificity, holds on other images of the kind", "deciding", "decision"
    )
    margin_decision: values.Share = option(
        0.05, "Loss at the operating point that doesn't matter, to judge by", "deciding", "decision"
    )
    decide_per: Literal["image", "patient"] = option(
        "image", "What is decided on", "deciding", "decision", choices={"patient": "by all of their images"}
    )
    combine: Literal["mean", "max"] = option(
        "mean", "The probability of a patient, of those of the images", "deciding", "decision"
    )
    prevalence: values.Share | None = option(
        None,
        "Share of positives where the model will be used, for PPV and NPV",
        "deciding",
        "decision",
        unset="the test images'",
    )

    recipe: Text | None = option(
        None,
        "Recipe of the fine-tunes, see ttl finetune --help; or FILE.toml",
        "fine-tuning",
        "trial",
        unset="full; of a U-Net unet",
    )
    freeze_below: Text | None = option(
        None, "For the recipes lwft and freeze-below: the point up to which all stays as it is", "fine-tuning", "trial"
    )
    epochs: Count | None = option(
        None, "At most so many epochs a fine-tune", "fine-tuning", "trial", unset="the recipe's stop rule"
    )
    batch_size: Count | None = option(None, "Images a step", "fine-tuning", "trial", unset="the recipe's")
    augment: Text | None = option(
        None,
        "Augmentation: none, ttl, partial-transfusion or microscopy; TOML recipes can say more",
        "fine-tuning",
        "trial",
        unset="the recipe's",
    )
    balance: Literal["none", "loss", "sampler"] = option(
        "none",
        "What evens out rare classes",
        "fine-tuning",
        "trial",
        choices={"loss": "they count more", "sampler": "they are drawn more often"},
    )
    loss: Literal["dice+ce", "dice", "ce"] | None = option(
        None, "Loss of a segmentation", "fine-tuning", "trial", unset="dice+ce", choices={"ce": "cross-entropy"}
    )

    lr: Positive | None = option(None, "Learning rate", "head and learning rate", "trial", unset="the recipe's")
    pool: Literal["avg", "max", "avgmax", "token", "none"] = option(
        "avg",
        "What the head does with the feature map first",
        "head and learning rate",
        "trial",
        choices={"token": "take the class token", "none": "flatten it"},
    )
    dropout: values.Probability | None = option(
        None, "Dropout before the linear layer", "head and learning rate", "trial", unset="the recipe's"
    )

    seed: values.Seed = option(
        0, "Seed of the split, the heads, the order of images and the augmentation", "fine-tuning"
    )
    seeds: values.Repeats = option(1, "Fine-tunes of each point, with --seed and those after it", "fine-tuning")

    train_fraction: Part = option(1.0, "Share of the training images to use", "data")
    splits: Place | None = option(None, "A splits.csv to use instead of a new split", "data", is_place=True)
    val_fraction: Share = option(0.16, "Share of the images that validate", "data")
    test_fraction: Share = option(0.20, "Share of the images that test", "data")
    image_column: Text | None = option(
        None, "Column of a manifest with the paths of the images", "data", unset="by its name"
    )
    image_root: Place | None = option(
        None,
        "Folder that the paths in a manifest start from",
        "data",
        unset="the manifest's",
        is_place=True,
        metavar="DIR",
    )
    image_suffix: Text | None = option(
        None,
        "What is added to the names in a manifest that are no image's, as .png",
        "data",
        unset="nothing",
        metavar=".SUFFIX",
    )
    label_columns: values.Texts = option(
        (),
        "Column of a manifest with the class names; of several, each is a label of 1 and 0",
        "data",
        flag="label-column",
    )
    mask_column: Text | None = option(None, "Column of a manifest with the paths of the masks", "data")
    mask_values: values.MaskValues | None = option(
        None,
        "Value, or colour, of each class in the masks, in the order of the classes; other stands for all that aren't "
        "named, and =ignore marks what is of no class",
        "data",
        unset="the numbers of the classes, or 0 and 255",
        metavar="0,128,255|'#000000,#ff0000'|0,other",
    )
    group_column: Text | None = option(None, "Column of a manifest with the patient, who is in one split only", "data")
    split_column: Text | None = option(None, "Column of a manifest that says train, val or test", "data")
    subgroup_columns: values.Texts = option(
        (),
        "Column of a manifest with sex, site, scanner ...: figures of each of its values by itself",
        "data",
        "decision",
        flag="subgroup-column",
    )
    positive: values.Texts = option(
        (),
        "The finding, of which sensitivity and precision speak: one of two classes; of more than two one or several",
        "data",
        unset="of two the one whose name isn't normal, healthy, negative, no ...",
    )
    ordinal: bool = option(
        False, "The classes are grades, ordered as their names are: report the quadratic kappa, too", "data"
    )
    exclusive: bool = option(False, "Labels of several columns are classes: each image has exactly one of them", "data")
    window: values.Window | None = option(
        None,
        "Values of DICOM files to show, in Hounsfield units for CT",
        "data",
        unset="the header's window",
        metavar="CENTER WIDTH",
    )
    value_range: values.Range | None = option(
        None,
        "Values that become black and white, of images with more than 8 bits a channel",
        "data",
        flag="range",
        unset="each image's own",
        metavar="LOW HIGH",
    )
    frame: values.Frame = option(
        "first",
        "Of a file with several frames the first, the middle, one by its number, or all, of one patient together",
        "data",
        metavar="first|middle|all|N",
    )
    dedupe: Literal["together", "drop"] | None = option(
        None,
        "Images that show the same",
        "data",
        unset="left as they are, and named",
        choices={"together": "in one split", "drop": "all but one"},
    )
    skip_bad: bool = option(False, "Go on without the images that can't be read", "data")

    device: values.Device = option(
        "auto", "Where to compute: auto (CUDA if there is any), cpu, cuda, cuda:N or mps", "machine", "nothing"
    )
    threads: Count | None = option(None, "CPU threads", "machine", "nothing", unset="all")
    amp: Literal["no", "bf16", "fp16"] = option(
        "no", "Mixed precision while training", "machine", "trial", choices={"fp16": "CUDA only"}
    )
    accumulate: Count = option(1, "Parts that each batch is computed in, to need less memory", "machine", "trial")

    jobs: Count | None = option(
        None, "Fine-tunes at once, each in its own process", "workers", "nothing", unset="1; under Ray all that fit"
    )
    engine: Literal["local", "ray"] = option(
        "local", "Where fine-tunes run", "workers", "nothing", choices={"ray": "a Ray cluster"}
    )
    ray_address: Text | None = option(
        None, "Address of a Ray cluster that runs already, or auto", "workers", "nothing", unset="one on this machine"
    )
    gpus: values.NotNegative | None = option(
        None, "GPUs of each fine-tune under Ray; 0.5 shares one", "workers", "nothing", unset="1 if the cluster has any"
    )

    out: Place | None = option(None, "The run folder", "output", "nothing", unset="ttl-run")
    track: Literal["none", "tensorboard"] = option(
        "none", "Tracker of the learning curves", "output", "nothing", choices={"tensorboard": "in the run folder"}
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"val-fraction {self.val_fraction:g} and test-fraction {self.test_fraction:g} leave nothing "
                "to train on: their sum should be below 1"
            )
        if self.seed + self.seeds - 1 > values.LARGEST_SEED:
            raise ValueError(f"seed {self.seed} with {self.seeds} seeds goes beyond {values.LARGEST_SEED}: lower it")
        aims = [name for name in AIMS if getattr(self, name) is not None]
        if len(aims) > 1:
            raise ValueError(f"{' and '.join(aims)} are two ways to set one threshold: give one of them")
        if self.folds is not None and self.halving is not None:
            raise ValueError("folds and halving don't go together: halving would stop a fold and not its candidate")
        if self.window is not None and self.value_range is not None:
            raise ValueError("window and range are two ways to set black and white: give one of them")
        for name in ("ray_address", "gpus"):
            if self.engine != "ray" and getattr(self, name) is not None:
                raise ValueError(f"{kebab(name)} is for engine ray: add --engine ray, or leave it out")
        return self
