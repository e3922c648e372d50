"""What a run is told: one frozen model, read from a TOML file and from flags alike."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from ttl.errors import RunFolderError, UsageError

LARGEST_SEED = 2**32 - 1  # what numpy's legacy generators, and so scikit-learn, take

# Where the results go, what computes them and who watches. They move a figure by rounding at most, so a run
# may be taken up again from another machine, or with another number of threads.
NOT_COMPARED = frozenset({"out", "device", "threads", "track", "jobs", "engine", "ray_address", "gpus"})

# Compared as places: `xray/` and `./xray` are one folder.
PATHS = frozenset({"data", "weights", "splits"})

# Where pydantic's own words would need a programmer.
REWORDED = {
    "greater_than": "should be above {gt:g}",
    "greater_than_equal": "should be at least {ge}",
    "less_than": "should be below {lt:g}",
    "less_than_equal": "should be at most {le}",
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "path_type": "should be a path",
    "extra_forbidden": "is no option",
}

Options = TypeVar("Options", bound=BaseModel)


def _device(value: str) -> str:
    kind, _, number = value.partition(":")
    plain = value in ("auto", "cpu", "cuda", "mps")
    if not plain and not (kind == "cuda" and number.isascii() and number.isdigit()):
        raise ValueError("should be auto, cpu, cuda, cuda:NUMBER or mps")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("should not be empty")
    return value


Text = Annotated[str, AfterValidator(_filled)]
Place = Annotated[Path, Strict(False)]  # TOML and JSON have no path type: a string becomes one
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


def _amount(value: object) -> object:
    """`1.5M` as a number; what is none is left for pydantic to refuse."""
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?)", value.strip())):
        return round(float(found[1]) * UNITS[found[2]])
    return value


UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
Amount = Annotated[int, BeforeValidator(_amount), Field(ge=1)]


class RunConfig(BaseModel):
    """Everything that a run is told.

    Relative paths are relative to the current directory, in a TOML file too: the same line means the
    same place whether it is typed or read.

    Attributes:
        data: a folder, a file, or the name of a built-in data set.
        model: a timm name, `tv:NAME` for torchvision, or for segmentation `unet:ENCODER`.
        weights: `default` (the zoo's), `none` (random), or a local checkpoint.
        image_size: side of the square input in pixels; None is the backbone's own. In segmentation images keep their
            size, and it is that of the crops that train and of the windows that larger images are predicted in.
        out: the run folder; None lets the verb choose.
        strategy: how the truncation point is searched for.
        halving: after so many epochs, and each time after twice as many, the worse half of the fine-tunes that were
            begun together is stopped; None lets all of them end.
        select: which of the points tried is chosen: the `smallest` that is shown not to be inferior to the best one
            by more than `margin`, or the `best`.
        max_params: of the points to search among; also as 1.5M.
        max_macs: likewise; multiply-adds of one image.
        max_latency_ms: likewise; milliseconds of one image through the exported cut, measured on this CPU.
        min_point: the lowest point to search among.
        within_weights: search only among points that the loaded weights cover.
        finish: where a cut ends: behind the `block`, or behind the `norm` that the next block begins with.
        recipe: how each candidate is fine-tuned; None is `full`, and for segmentation `unet`.
        epochs: at most so many epochs a fine-tuning; None leaves it to the recipe's stop rule.
        batch_size: images a step; None is the recipe's.
        lr: learning rate; None is the recipe's.
        pool: what the head does with the feature map first; `none` flattens it, `token` takes the class token.
        dropout: probability that the head drops a feature, in [0, 1); None is the recipe's.
        augment: a preset: `none`, `ttl` or `partial-transfusion`; None is the recipe's.
        balance: what evens out rare classes: `none`, their weight in the `loss`, or a `sampler`.
        loss: of a segmentation: `dice`, `ce` (cross-entropy, of two classes binary) or their sum.
        train_fraction: share of the training samples to use, stratified: the low-data regime.
        freeze_below: the point up to which recipes that freeze leave everything as it is.
        seed: of the split, the heads' first weights, the order of the images and the augmentation.
        seeds: fine-tunes of each point, with `seed` and those that follow it; the split stays that of `seed`.
        val_fraction: share of all samples that validate, where the data doesn't bring its own split.
        test_fraction: share of all samples that test, likewise.
        splits: a splits.csv to use instead.
        image_column: of a manifest; None finds it by its name, like the next three.
        label_columns: one of class names, or several of 1 and 0.
        mask_column: of masks, in a segmentation set's manifest.
        group_column: what must not be torn apart: the patient.
        split_column: train, val or test.
        window: centre and width of the values of DICOM files that are shown; None is their headers'.
        dedupe: what to do with images that show the same: keep them `together` in one split, or `drop` all but one.
        skip_bad: go on without the images that can't be read.
        device: `auto` is CUDA where there is one, else the CPU.
        threads: CPU threads of each fine-tune; None leaves it to the libraries, or shares the cores out among `jobs`.
        jobs: fine-tunes at once, each in a process of its own; None is one, in this process, or under Ray as many as
            the cluster has room for.
        engine: where fine-tunes run: on this machine, or as tasks of a Ray cluster.
        ray_address: of a cluster that runs already, or `auto`; None starts one on this machine.
        gpus: of each fine-tune under Ray, of which it may share one (0.5); None is 1 where the cluster has any.
        amp: mixed precision while training: `no`, `bf16` or `fp16`.
        accumulate: parts that each batch is computed in, one after another, to need less memory.
        track: what else is told of each epoch: `tensorboard`, under the run folder.
        margin: the loss in the metric that doesn't matter: in choosing, and in the non-inferiority sentence; None is
            0.01 of AUPRC, and 0.02 of Dice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    data: Text
    model: Text
    weights: Text = "default"
    image_size: Annotated[int, Field(ge=16, le=4096)] | None = None
    out: Place | None = None
    strategy: Literal["joint", "two-stage", "exhaustive", "svcca", "probe"] = "joint"
    halving: Count | None = None
    select: Literal["smallest", "best"] = "smallest"
    max_params: Amount | None = None
    max_macs: Amount | None = None
    max_latency_ms: Annotated[FiniteFloat, Field(gt=0)] | None = None
    min_point: Text | None = None
    within_weights: bool = False
    finish: Literal["block", "norm"] = "block"
    recipe: Text | None = None
    epochs: Count | None = None
    batch_size: Count | None = None
    lr: Annotated[FiniteFloat, Field(gt=0)] | None = None
    pool: Literal["avg", "max", "avgmax", "token", "none"] = "avg"
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    freeze_below: Text | None = None
    augment: Text | None = None
    balance: Literal["none", "loss", "sampler"] = "none"
    loss: Literal["dice+ce", "dice", "ce"] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    val_fraction: Share = 0.16
    test_fraction: Share = 0.20
    splits: Place | None = None
    image_column: Text | None = None
    label_columns: Annotated[tuple[Text, ...], Strict(False)] = ()
    mask_column: Text | None = None
    group_column: Text | None = None
    split_column: Text | None = None
    window: Annotated[tuple[FiniteFloat, Annotated[FiniteFloat, Field(gt=0)]], Strict(False)] | None = None
    dedupe: Literal["together", "drop"] | None = None
    skip_bad: bool = False
    device: Annotated[str, AfterValidator(_device)] = "auto"
    threads: Count | None = None
    jobs: Count | None = None
    engine: Literal["local", "ray"] = "local"
    ray_address: Text | None = None
    gpus: Annotated[FiniteFloat, Field(ge=0)] | None = None
    amp: Literal["no", "bf16", "fp16"] = "no"
    accumulate: Count = 1
    track: Literal["none", "tensorboard"] = "none"
    margin: Annotated[float, Field(gt=0, lt=1)] | None = None

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
                raise ValueError(f"{_kebab(name)} is for engine ray: add --engine ray, or leave it out")
        return self

    def to_json(self) -> dict[str, Any]:
        """All options as JSON values, under their snake_case names; paths as strings."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, options: Mapping[str, object]) -> Self:
        """What `to_json` wrote.

        Raises:
            RunFolderError: `options` isn't that, so the run folder is damaged or of another version.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise RunFolderError(
                f"The options recorded in the run folder can't be read ({_sentence(error, {})}): "
                "it is damaged or was written by another version of ttl, so use another folder."
            ) from None

    def differences(self, other: RunConfig) -> list[str]:
        """Names, as on the command line, of the options that differ and that change what a run computes.

        Not compared: `out`, `device`, `track`, and how the work is shared out: `threads`, `jobs`, `engine`,
        `ray_address` and `gpus`.
        """
        compared = [name for name in type(self).model_fields if name not in NOT_COMPARED]
        return [_kebab(name) for name in compared if self._comparable(name) != other._comparable(name)]

    def _comparable(self, name: str) -> object:
        value = getattr(self, name)
        return os.path.abspath(value) if name in PATHS and value is not None else value


def load_config(path: Path | None, flags: Mapping[str, object]) -> RunConfig:
    """Options from a TOML file and from flags; a flag wins over the file.

    Args:
        path: a TOML file of options, in kebab-case or snake_case; None where there is none.
        flags: option name -> value; None means not given (also for switches: give None, not False).

    Raises:
        UsageError: an unreadable file, an unknown option, a bad value, or no `data` or `model`.
    """
    return read_options(RunConfig, path, flags, arguments=("data",))


def read_options(
    model: type[Options], path: Path | None, flags: Mapping[str, object], *, arguments: Sequence[str] = ()
) -> Options:
    """Options of one kind from a TOML file and from flags; see `load_config`.

    Args:
        model: what they are.
        path: the TOML file.
        flags: option name -> value; None means not given.
        arguments: names of those that have no flag.

    Raises:
        UsageError: an unreadable file, an unknown option, a bad or a missing value.
    """
    given = {_snake(name): value for name, value in flags.items() if value is not None}
    _refuse_unknown(model, given, "on the command line")
    options = _read_toml(model, path) if path is not None else {}
    origin = {name: f"{_kebab(name)} in {path}" for name in options}
    origin |= {name: name.upper() if name in arguments else f"--{_kebab(name)}" for name in given}
    try:
        return model.model_validate(options | given)
    except ValidationError as error:
        raise UsageError(f"{_sentence(error, origin)}.") from None


def _read_toml(model: type[BaseModel], path: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The file {path} can't be read ({error.strerror}): check --config.") from None
    except ValueError as error:
        raise UsageError(f"The file {path} isn't valid TOML: {error}.") from None
    options: dict[str, object] = {}
    for key, value in table.items():
        if _snake(key) in options:
            raise UsageError(
                f"The option {_kebab(key)} is given twice in {path}, as {_kebab(key)} and as {_snake(key)}: keep one."
            )
        options[_snake(key)] = value
    _refuse_unknown(model, options, f"in {path}")
    return options


def _refuse_unknown(model: type[BaseModel], options: Mapping[str, object], where: str) -> None:
    known = [_kebab(name) for name in model.model_fields]
    for name in map(_kebab, options):
        if name in known:
            continue
        near = get_close_matches(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
        raise UsageError(f"There is no option {name} ({where}): {hint}")


def _sentence(error: ValidationError, origin: Mapping[str, str]) -> str:
    """All that is wrong, in one sentence without its full stop; `origin` says where each option came from."""
    return "; ".join(dict.fromkeys(_clause(detail, origin) for detail in error.errors()))


def _clause(detail: ErrorDetails, origin: Mapping[str, str]) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = REWORDED.get(detail["type"], text).format(**detail.get("ctx", {}))
    if not detail["loc"]:
        return text
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"No {name} was given: name it, on the command line or as {name} = ... in the TOML file"
    return f"{origin.get(name, _kebab(name))} is {detail['input']!r}, and {text}"


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _snake(name: str) -> str:
    return name.replace("-", "_")
