from __future__ import annotations

from pathlib import Path

import pytest

from ttl.errors import UsageError
from ttl.export.options import ExportConfig
from ttl.options.read_options import read_options

TARGETS = sorted((Path(__file__).parents[2] / "export").glob("*.toml"))


@pytest.mark.parametrize("path", TARGETS, ids=lambda path: path.stem)
def test_the_ready_targets_are_read(path: Path) -> None:
    options = read_options(ExportConfig, path, {})
    assert (options.precision == ("int8",)) == ("int8" in path.stem)
    assert bool(options.devices) == ("gpu" in path.stem)


def test_there_are_the_five_targets() -> None:
    assert [path.stem for path in TARGETS] == ["browser", "cpu-fp32", "cpu-int8", "gpu-fp16", "gpu-tensorrt"]


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('precision = ["fp32", "int8"]\nweight-bits = 8\n')
    options = read_options(ExportConfig, tmp_path / "e.toml", {"precision": ("fp16",)})
    assert (options.precision, options.weight_bits) == (("fp16",), 8)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"precision": ("fp64",)}, "--precision is .*fp64.*should be 'fp32', .* or 'openvino-int8'"),
        ({"precision": ("fp32", "fp32")}, "name each once"),
        ({"opset": 3}, "--opset is 3, and should be at least 7"),
        ({"margin": 0.0}, "--margin is 0.0, and should be above 0"),
        ({"precisions": ()}, "There is no option precisions .*did you mean precision"),
    ],
)
def test_a_bad_option_is_one_sentence(flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_options(ExportConfig, None, flags)
