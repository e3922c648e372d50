from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import JsonValue, ValidationError

from ttl.config import RunConfig
from ttl.errors import RunFolderError, UsageError
from ttl.options.option import Option, Options
from ttl.options.read_options import read_options

read_run = partial(read_options, RunConfig)
LEAST = {"data": "xray", "model": "resnet18"}


def toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_the_protocols() -> None:
    config = read_run(None, LEAST)
    assert (config.weights, config.strategy, config.pool) == ("default", "joint", "avg")
    # The kind of task decides.
    assert (config.recipe, config.margin, config.loss) == (None, None, None)
    assert (config.val_fraction, config.test_fraction, config.seed) == (0.16, 0.20, 0)
    assert config.epochs is None
    assert config.device == "auto"


def test_a_flag_wins_over_the_file_and_a_flag_that_is_none_is_not_given(tmp_path: Path) -> None:
    path = toml(tmp_path, 'data = "xray"\nmodel = "resnet18"\nepochs = 5\nseed = 3\nskip-bad = true\n')
    config = read_run(path, {"epochs": 10, "seed": None, "skip_bad": None})
    assert (config.epochs, config.seed, config.skip_bad) == (10, 3, True)


def test_a_flag_that_is_false_wins_over_a_true_in_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, 'data = "xray"\nmodel = "resnet18"\nskip-bad = true\n')
    assert not read_run(path, {"skip_bad": False}).skip_bad


@pytest.mark.parametrize("key", ["image-size", "image_size"])
def test_a_file_may_use_kebab_case_or_snake_case(tmp_path: Path, key: str) -> None:
    path = toml(tmp_path, f'data = "xray"\nmodel = "resnet18"\n{key} = 112\n')
    assert read_run(path, {}).image_size == 112


@pytest.mark.parametrize("value", ['"3"', '["3"]'])
def test_one_value_in_a_file_needs_no_list(tmp_path: Path, value: str) -> None:
    path = toml(tmp_path, f'data = "xray"\nmodel = "resnet18"\npositive = {value}\n')
    assert read_run(path, {}).positive == ("3",)


def test_paths_in_a_file_stay_as_written(tmp_path: Path) -> None:
    path = toml(tmp_path, 'data = "xray"\nmodel = "resnet18"\nout = "runs/a"\nsplits = "splits.csv"\n')
    config = read_run(path, {})
    assert (config.out, config.splits) == (Path("runs/a"), Path("splits.csv"))


def test_a_whole_number_is_a_learning_rate() -> None:
    assert read_run(None, LEAST | {"lr": 1}).lr == 1.0


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_devices(device: str) -> None:
    assert read_run(None, LEAST | {"device": device}).device == device


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"epochs": 0}, "--epochs is 0, and should be at least 1."),
        ({"epochs": 2.0}, "--epochs is 2.0, and should be a whole number."),
        ({"epochs": "3"}, "--epochs is '3', and should be a whole number."),
        ({"seed": True}, "--seed is True, and should be a whole number."),
        ({"seed": -1}, "--seed is -1, and should be at least 0."),
        (
            {"image_size": 8},
            "--image-size is 8, and should be 16 to 4096 pixels, such as 224 or 165x342 (height x width).",
        ),
        ({"batch_size": 0}, "--batch-size is 0, and should be at least 1."),
        ({"threads": 0}, "--threads is 0, and should be at least 1."),
        ({"lr": 0.0}, "--lr is 0.0, and should be above 0."),
        ({"lr": float("nan")}, "--lr is nan, and should be a finite number."),
        ({"lr": "fast"}, "--lr is 'fast', and should be a number."),
        ({"dropout": 1.0}, "--dropout is 1.0, and should be below 1."),
        ({"pool": "mean"}, "--pool is 'mean', and should be 'avg', 'max', 'avgmax', 'token' or 'none'."),
        (
            {"strategy": "guess"},
            "--strategy is 'guess', and should be 'joint', 'two-stage', 'exhaustive', 'svcca' or 'probe'.",
        ),
        ({"skip_bad": "yes"}, "--skip-bad is 'yes', and should be true or false."),
        ({"splits": 3}, "--splits is 3, and should be a path."),
        ({"model": " "}, "--model is ' ', and should not be empty."),
        ({"device": "gpu"}, "--device is 'gpu', and should be auto, cpu, cuda, cuda:NUMBER or mps."),
        ({"device": "cuda:x"}, "--device is 'cuda:x', and should be auto, cpu, cuda, cuda:NUMBER or mps."),
        ({"data": ""}, "DATA is '', and should not be empty."),
        ({"label_columns": ("",)}, "--label-column is '', and should not be empty."),
        (
            {"epochs": 0, "seed": -1},
            "--epochs is 0, and should be at least 1; --seed is -1, and should be at least 0.",
        ),
        (
            {"val_fraction": 0.6, "test_fraction": 0.5},
            "val-fraction 0.6 and test-fraction 0.5 leave nothing to train on: their sum should be below 1.",
        ),
        ({"epoch": 3}, "There is no option epoch (on the command line): did you mean epochs?"),
    ],
)
def test_a_bad_flag_is_one_sentence_that_names_it(flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        read_run(None, LEAST | flags)


@pytest.mark.parametrize("missing", ["data", "model"])
def test_what_must_be_given(missing: str) -> None:
    with pytest.raises(UsageError, match=f"^No {missing} was given: name it, on the command line or as {missing} = "):
        read_run(None, LEAST | {missing: None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", "epochs in {path} is 0, and should be at least 1."),
        ("batch-siez = 3", "There is no option batch-siez (in {path}): did you mean batch-size?"),
        ("[run]\nepochs = 1", "There is no option run (in {path}): ttl run --help lists them (data, model, weights, "),
        (
            "image-size = 64\nimage_size = 64",
            "The option image-size is given twice in {path}, as image-size and as",
        ),
        ("epochs 3", "The file {path} isn't valid TOML: "),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = toml(tmp_path, text)
    with pytest.raises(UsageError, match=f"^{re.escape(message.format(path=path))}"):
        read_run(path, LEAST)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="isn't valid TOML"):
        read_run(path, LEAST)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.toml can't be read \(No such file or directory\): check --config\.$"):
        read_run(tmp_path / "run.toml", LEAST)


def test_a_bad_value_in_the_file_is_no_matter_where_a_flag_wins(tmp_path: Path) -> None:
    assert read_run(toml(tmp_path, "epochs = 0"), LEAST | {"epochs": 2}).epochs == 2


def test_json_round_trip() -> None:
    config = read_run(None, LEAST | {"out": Path("runs/a"), "lr": 1e-4, "image_size": 112, "skip_bad": True})
    read_back = RunConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read_back == config
    assert config.to_json()["out"] == "runs/a"


@pytest.mark.parametrize("damage", [{"epochs": -1}, {"colour": "red"}, {"model": None}])
def test_damaged_options_of_a_run_folder(damage: dict[str, object]) -> None:
    options = read_run(None, LEAST).to_json() | damage
    with pytest.raises(RunFolderError, match=r"^The options recorded in the run folder can't be read .*folder\.$"):
        RunConfig.from_json(options)


def test_a_config_does_not_change() -> None:
    config = read_run(None, LEAST)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, "epochs", 3)  # noqa: B010


def test_differences_name_options_as_they_are_typed() -> None:
    a = read_run(None, LEAST)
    b = read_run(None, LEAST | {"image_size": 64, "seed": 1})
    assert a.differences(b) == ["image-size", "seed"]
    assert a.differences(a) == []
    graded = read_run(None, LEAST | {"ordinal": True, "positive": ("3", "4"), "subgroup_columns": ("sex",)})
    assert a.differences(graded) == ["positive", "ordinal"]
    assert graded.trial_definition() == a.trial_definition()


def test_where_a_run_lands_and_what_computes_it_are_no_difference() -> None:
    b = read_run(None, LEAST | {"out": "elsewhere", "device": "cpu", "threads": 2, "jobs": 4})
    assert read_run(None, LEAST).differences(b) == []
    c = read_run(None, LEAST | {"engine": "ray", "ray_address": "auto", "gpus": 0.5})
    assert read_run(None, LEAST).differences(c) == []


@pytest.mark.parametrize("option", [{"ray_address": "auto"}, {"gpus": 1.0}], ids=["ray-address", "gpus"])
def test_options_of_ray_without_ray_are_refused(option: dict[str, object], request: pytest.FixtureRequest) -> None:
    sentence = f"{request.node.callspec.id} is for engine ray: add --engine ray, or leave it out"
    with pytest.raises(UsageError, match=sentence):
        read_run(None, LEAST | option)


@pytest.mark.parametrize("same", ["xray/", "./xray", "other/../xray"])
def test_two_ways_to_write_one_place_are_no_difference(same: str) -> None:
    assert read_run(None, LEAST).differences(read_run(None, LEAST | {"data": same})) == []


def test_another_place_is_a_difference() -> None:
    a = read_run(None, LEAST | {"splits": "a.csv"})
    assert a.differences(read_run(None, LEAST)) == ["splits"]
    assert a.differences(read_run(None, LEAST | {"splits": "b.csv", "data": "digits"})) == [
        "data",
        "splits",
    ]


DECIDING = {
    "fit": "crop",
    "finish": "norm",
    "recipe": "lwft",
    "freeze_below": "layer1.0",
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "balance": "loss",
    "loss": "ce",
    "lr": 1e-3,
    "pool": "max",
    "dropout": 0.25,
    "amp": "bf16",
    "accumulate": 2,
}
"""Each option that a fine-tune's result depends on, with another value than its default."""


def test_a_trial_is_defined_by_the_options_that_decide_its_result_where_they_differ_from_the_defaults() -> None:
    plain = RunConfig(data="xray", model="resnet18")
    assert plain.trial_definition() == {}
    assert {name for name, option in RunConfig.marks().items() if option.affects == "trial"} == DECIDING.keys()
    for name, value in DECIDING.items():
        assert plain.model_copy(update={name: value}).trial_definition() == {name: value}


def test_what_decides_no_result_is_in_no_definition() -> None:
    others = {"weights": "none", "image_size": 64, "seed": 3, "seeds": 2, "device": "cpu", "train_fraction": 0.5}
    others |= {"strategy": "probe", "halving": 2, "margin": 0.1, "jobs": 2, "out": Path("elsewhere")}
    assert RunConfig.model_validate(LEAST | others).trial_definition() == {}


class _Before(Options):
    """Options of one version."""

    rate: Annotated[float, Option("Learning rate", "fine-tuning", affects="trial")] = 0.5
    size: Annotated[int, Option("Side", "network")] = 32


class _WithOneMore(_Before):
    """The same, and a new one."""

    momentum: Annotated[float, Option("Momentum", "fine-tuning", affects="trial")] = 0.9


class _WithAnotherDefault(_Before):
    """The same, with a default that was changed, and its version raised for that."""

    rate: Annotated[float, Option("Learning rate", "fine-tuning", affects="trial", version=2)] = 0.25


@pytest.mark.parametrize(
    ("options", "definition"),
    [
        (_Before(), {}),
        (_Before(rate=0.25), {"rate": 0.25}),
        (_Before(size=64), {}),
        (_WithOneMore(), {}),
        (_WithOneMore(rate=0.25), {"rate": 0.25}),
        (_WithOneMore(momentum=0.5), {"momentum": 0.5}),
        (_WithAnotherDefault(), {"rate": ["default", 2]}),
        (_WithAnotherDefault(rate=0.25), {"rate": ["default", 2]}),
        (_WithAnotherDefault(rate=0.5), {"rate": [0.5, 2]}),
    ],
)
def test_a_new_option_renames_no_trial_and_a_new_default_takes_none_for_its_own(
    options: Options, definition: dict[str, JsonValue]
) -> None:
    assert options.trial_definition() == definition
    assert json.loads(json.dumps(definition)) == definition


def test_a_field_without_an_option_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match=r"^Bare\.width has no Option: give it one, with help and group$"):

        class Bare(Options):
            width: int = 3


@pytest.mark.parametrize("study", sorted((Path(__file__).parents[1] / "search").glob("*.toml")), ids=lambda p: p.stem)
def test_the_ready_studies_are_valid(study: Path) -> None:
    assert read_run(study, {"data": "scans"}).strategy == "joint"


@pytest.mark.parametrize(
    ("given", "amount"),
    [
        ("1.5M", 1_500_000),
        ("300k", 300_000),
        ("300K", 300_000),
        ("0.3M", 300_000),
        (".3m", 300_000),
        ("1 G", 10**9),
        ("2G", 2 * 10**9),
        ("70", 70),
        (12, 12),
    ],
)
def test_amounts_may_have_a_unit(given: object, amount: int) -> None:
    assert RunConfig(data="xray", model="resnet18", max_params=given).max_params == amount


@pytest.mark.parametrize("given", ["1.5 million", "", "M", "-3", 0])
def test_amounts_that_are_none_are_refused(given: object) -> None:
    with pytest.raises(UsageError, match="max-params"):
        read_run(None, {"data": "xray", "model": "resnet18", "max_params": given})


@pytest.mark.parametrize("given", [0, -1.0, float("inf"), "fast"])
def test_a_latency_that_none_can_keep_to_is_refused(given: object) -> None:
    assert RunConfig(data="xray", model="resnet18", max_latency_ms=12).max_latency_ms == 12.0
    with pytest.raises(UsageError, match="--max-latency-ms is"):
        read_run(None, {"data": "xray", "model": "resnet18", "max_latency_ms": given})
