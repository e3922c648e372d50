from __future__ import annotations

from pathlib import Path

from ttl.cli.options_page import COMMAND, options_page, options_table
from ttl.config import RunConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "options.md"


def test_the_page_of_options_is_what_the_fields_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == options_page(), f"docs/options.md is out of date: {COMMAND}"


def test_a_row_has_flag_values_default_meaning_and_verbs() -> None:
    rows = options_table(RunConfig).splitlines()
    assert sum(line.startswith("| `") for line in rows) == len(RunConfig.model_fields)
    assert (
        "| `--image-size` | whole number, at least 16, at most 4096, or two numbers | the backbone's; of a U-Net 256 | "
        "Pixels of the input, of a U-Net's crops: the side of a square, or height and width as 165x342. | "
        "points, plan, run, search, finetune |"
    ) in rows
