"""Flags made from fields: their types, their help, and which verb has which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from ttl.cli import app
from ttl.cli.flags import command_of, typed_as, with_options
from ttl.cli.help import Command, help_text, values
from ttl.config import RunConfig
from ttl.export.options import ExportConfig
from ttl.options.option import Option, Options, as_typed
from ttl.options.values import Amount, Count, Place, Share, Size, Text, Texts, Window


class Meal(Options):
    """A field of every type that a flag is made of."""

    dish: Annotated[Text, Option("What is cooked", "data", is_argument=True)]
    heat: Annotated[
        Literal["low", "high"] | None, Option("How hot", "machine", unset="as the recipe says", choices={"low": "slow"})
    ] = None
    guests: Annotated[Count, Option("How many eat", "data")] = 4
    salt: Annotated[Share | None, Option("Share of salt", "data")] = 0.25
    calories: Annotated[Amount | None, Option("At most so many", "data")] = None
    spices: Annotated[Texts, Option("One of them", "data", flag="spice")] = ()
    between: Annotated[Window | None, Option("Centre and width of the hour", "machine", metavar="HOUR WIDTH")] = None
    pan: Annotated[Size | None, Option("How large", "machine", metavar="SIDE|HxW")] = None
    book: Annotated[Place | None, Option("Where the recipe is", "output")] = None
    vegan: Annotated[bool, Option("Without meat", "data")] = False
    secret: Annotated[int, Option("In the file alone", "data", only_in_toml=True)] = 7


def served(*arguments: str) -> tuple[Meal, str]:
    """What a verb with the options of a meal gets, and the help that it would show."""
    kitchen, got = typer.Typer(rich_markup_mode=None, add_completion=False), []

    @kitchen.command(cls=Command)
    @with_options(Meal, leave_out=("output",))
    def cook(options: Meal, tip: Annotated[int, typer.Option(help="Of the verb alone.")] = 1) -> None:
        got.append((options, tip))

    help_page = CliRunner().invoke(kitchen, ["--help"]).output
    result = CliRunner().invoke(kitchen, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    ((options, _),) = got
    return options, help_page


def test_what_is_given_becomes_the_options() -> None:
    words = ["soup", "--heat", "low", "--guests", "2", "--salt", "0.5", "--calories", "1.5k", "--spice", "dill"]
    options, _ = served(*words, "--spice", "thyme", "--between", "12", "3", "--pan", "24x32", "--vegan")
    assert options == Meal(
        dish="soup",
        heat="low",
        guests=2,
        salt=0.5,
        calories=1500,
        spices=("dill", "thyme"),
        between=(12.0, 3.0),
        pan=(24, 32),
        vegan=True,
    )
    assert command_of("cook", options) == (
        "ttl cook soup --heat low --guests 2 --salt 0.5 --calories 1500 --spice dill --spice thyme "
        "--between 12.0 3.0 --pan 24x32 --vegan"
    )
    assert command_of("cook", served("soup", "--pan", "24")[0]) == "ttl cook soup --pan 24"
    assert command_of("cook", Meal(dish="pea soup")) == "ttl cook 'pea soup'"


def test_what_is_not_given_leaves_the_file_its_word(tmp_path: Path) -> None:
    (tmp_path / "meal.toml").write_text('vegan = true\nspices = ["dill"]\nguests = 3\nsecret = 8\n')
    options, _ = served("soup", "--config", str(tmp_path / "meal.toml"), "--guests", "5")
    assert options == Meal(dish="soup", vegan=True, spices=("dill",), guests=5, secret=8)


def test_the_help_lists_the_options_of_a_group_under_its_heading() -> None:
    _, page = served("soup")
    sections = re.split(r"^(\w.*):$", page, flags=re.MULTILINE)[1:]
    listed = {
        title: re.findall(r"^  (--[\w-]+|[A-Z]+)", text, re.MULTILINE)
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert listed == {
        "Arguments": ["DISH"],
        "Options": ["--tip", "--config", "--help"],
        "Data": ["--guests", "--salt", "--calories", "--spice", "--vegan"],
        "Machine": ["--heat", "--between", "--pan"],
    }


@pytest.mark.parametrize(
    ("name", "text", "given"),
    [
        ("dish", "What is cooked.", "text"),
        ("heat", "How hot: low (slow) or high. [default: as the recipe says]", "low, high"),
        ("guests", "How many eat. [default: 4]", "whole number, at least 1"),
        ("salt", "Share of salt. [default: 0.25]", "number, above 0, below 1"),
        ("calories", "At most so many.", "whole number, at least 1"),
        ("spices", "One of them.", "text; several"),
        ("between", "Centre and width of the hour.", "two numbers"),
        ("pan", "How large.", "whole number, at least 16, at most 4096, or two numbers"),
        ("book", "Where the recipe is.", "path"),
        ("vegan", "Without meat.", "switch"),
    ],
)
def test_the_text_of_an_option(name: str, text: str, given: str) -> None:
    field = Meal.model_fields[name]
    assert (help_text(field, Meal.marks()[name]), values(field)) == (text, given)


def test_amounts_and_sizes_are_typed_as_text() -> None:
    assert typed_as(Meal.model_fields["calories"]) is str
    assert typed_as(Meal.model_fields["pan"]) is str
    assert typed_as(Meal.model_fields["between"]) == tuple[float, float]


def flags_of(verb: str) -> set[str]:
    command: Any = typer.main.get_command(app)
    return {opt for param in command.commands[verb].params for opt in (*param.opts, param.metavar)}


@pytest.mark.parametrize(
    ("verb", "config"),
    [("run", RunConfig), ("search", RunConfig), ("export", ExportConfig)],
)
def test_every_option_has_a_flag(verb: str, config: type[Options]) -> None:
    typed = {as_typed(name, option) for name, option in config.marks().items() if not option.only_in_toml}
    assert typed <= flags_of(verb)


def test_a_verb_has_no_options_that_mean_nothing_to_it() -> None:
    every = {as_typed(name, option) for name, option in RunConfig.marks().items()}
    workers = {"--jobs", "--engine", "--ray-address", "--gpus"}
    costless = {"--out", "--lr", "--pool", "--dropout", "--track"}
    assert every - flags_of("plan") == workers | costless
    candidates = {"--max-params", "--max-macs", "--max-latency-ms", "--min-point", "--within-weights"}
    assert every - flags_of("finetune") == workers | candidates | {
        "--strategy",
        "--folds",
        "--halving",
        "--select",
        "--margin",
    }
    assert every & flags_of("points") == {"--image-size", "--weights", "--finish"}


def test_the_presets_of_augmentation_are_all_named() -> None:
    from ttl.data import AUGMENTATIONS

    assert all(name in RunConfig.marks()["augment"].help for name in AUGMENTATIONS)
