from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from toy_timed import onnx_file
from ttl.cli import app
from ttl.cli.command import VERBS
from ttl.cost.subject import Request
from ttl.errors import DataError
from ttl.report import read_report
from ttl.report.headline import headline
from ttl.typed import from_json, to_json

TINY = ["--model", "test_resnet", "--weights", "none", "--image-size", "32", "--epochs", "1"]


def ttl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module", autouse=True)
def asked() -> Iterator[list[Request]]:
    """What is asked of processes that time; answered here, for starting them takes the time, and tests/cost does it."""
    requests = []

    def ask(work: Callable[[Request], Any], request: Request) -> Any:
        requests.append(from_json(Request, json.loads(json.dumps(to_json(request))), where="the request"))
        return work(requests[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttl.cost.bench.in_fresh_process", ask)
        yield requests


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("cli") / "run"
    return folder, ttl("run", "digits:0-1", *TINY, "--out", folder)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = ttl(verb, "--help")
    assert result.exit_code == 0
    assert f"Example: ttl {verb}" in " ".join(result.output.split())


def test_help_and_version() -> None:
    assert all(verb in ttl("--help").output for verb in VERBS)
    assert ttl("--version").output.startswith("ttl 0.")


def test_points_as_a_table_and_as_json() -> None:
    text = ttl("points", "test_resnet", "--image-size", "64")
    assert text.exit_code == 0
    assert "test_resnet at 64 x 64: 5 truncation points" in text.output
    assert "ttl plan DATA --model test_resnet" in text.output
    content = json.loads(ttl("points", "test_resnet", "--json").output)
    assert [point["name"] for point in content["points"]][:2] == ["maxpool", "layer1.0"]


def test_run_ends_with_the_verdict_the_files_and_the_next_commands(finished: tuple[Path, Result]) -> None:
    folder, result = finished
    assert result.exit_code == 0, result.output
    for part in ("<- chosen", "threads", f"{folder}/model.onnx", "Next:", "ttl predict", "test AUPRC"):
        assert part in result.output
    top = headline(read_report(folder))
    after_tables = result.output[result.output.index("threads") :]
    lines = after_tables.splitlines()
    assert lines.index(top.verdict) < lines.index(top.sentence) < lines.index(top.tiles[0].line())
    assert [tile.title for tile in top.tiles] == [
        "Parameters", "Time per image", "Sensitivity", "Specificity", "AUPRC", "AUROC", "Test images",
    ]  # fmt: skip
    assert all(tile.line() in lines for tile in top.tiles)
    assert lines.index(top.tiles[-1].line()) < next(at for at, line in enumerate(lines) if "checked against" in line)


def test_predict_on_a_file_and_on_a_folder(finished: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = finished
    for i in range(3):
        Image.fromarray(np.full((9, 9), 70 * i, np.uint8)).save(tmp_path / f"{i}.png")
    one = ttl("predict", folder / "model.onnx", tmp_path / "1.png")
    assert one.exit_code == 0
    assert one.output.startswith(f"{tmp_path / '1.png'}  ")
    rows = json.loads(ttl("predict", folder / "model.onnx", tmp_path, "--json").output)
    assert len(rows) == 3
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1)


def test_bench_report_and_export_of_a_run(finished: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = finished
    given = ("--processes", 1, "--threads", 1, "--seconds", 0.2)
    bench = ttl("bench", folder / "model.onnx", folder / "full.onnx", *given, "--batch", 1, "--batch", 4, "--json")
    content = json.loads(bench.stdout)
    assert [row["ratio_to_full"] is None for row in content["rows"]] == [False] * 4
    assert [row["batch"] for row in content["rows"]] == [1, 1, 4, 4]
    assert {"hardware", "load_average_before", "load_average_after", "versions"} <= content.keys()
    assert ttl("report", folder).output.strip() == str(folder / "report.html")
    exported = ttl("export", folder, "--out", tmp_path / "again.onnx")
    assert exported.exit_code == 0
    assert "batches of 1, 2, 7" in exported.output
    assert re.search(r"^again\.onnx +fp32 +passed +\d", exported.output, re.MULTILINE)
    assert f"ttl predict {tmp_path / 'again.onnx'} IMAGE" in exported.output


def test_an_export_that_fails_a_check_ends_with_1_and_names_it(
    finished: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ttl.deliver.acceptance.METRIC_TOLERANCE", -1.0)
    result = ttl("export", finished[0], "--program", "--out", tmp_path)
    assert result.exit_code == 1
    assert re.search(r"^model\.onnx +fp32 +failed", result.output, re.MULTILINE)
    assert "ttl: model.onnx failed: The file gives a test " in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
    assert ttl("export", finished[0], "--precision", "fp8").exit_code == 2


def test_bench_of_a_run_folder_times_its_models_in_pytorch_too(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    given = ("--processes", 1, "--threads", 1, "--seconds", 0.2, "--no-compiled")
    result = ttl("bench", folder, *given)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith(("model.onnx", "full.onnx"))]
    assert [line.split()[:2] for line in lines] == [
        ["model.onnx", "onnxruntime"],
        ["full.onnx", "onnxruntime"],
        ["model.onnx", "PyTorch"],
        ["full.onnx", "PyTorch"],
    ]
    assert [line.endswith("  1") for line in lines] == [False, True, False, True]


def test_files_that_leave_the_size_open_are_timed_at_the_given_one(tmp_path: Path, asked: list[Request]) -> None:
    path = onnx_file(tmp_path / "free.onnx", ["batch", 3, "height", "width"])
    given = ("bench", path, "--processes", 1, "--threads", 1, "--runs", 3, "--seconds", 0.1)
    before = len(asked)
    for text, sides in (("8x12", (8, 12)), ("16", (16, 16))):
        assert ttl(*given, "--image-size", text).exit_code == 0
        assert {request.setting.sides for request in asked[before:]} == {sides}
        before = len(asked)
    without, wrong = ttl(*given), ttl(*given, "--image-size", "8x")
    assert (without.exit_code, "of any size: give --image-size" in without.stderr) == (2, True)
    assert (wrong.exit_code, "--image-size is '8x', and should be a side in pixels" in wrong.stderr) == (2, True)


def test_bench_of_what_is_no_run(tmp_path: Path) -> None:
    empty = ttl("bench", tmp_path)
    assert (empty.exit_code, "is no folder of a finished run with model.onnx and full.onnx" in empty.output) == (
        1,
        True,
    )
    both = ttl("bench", tmp_path, "a.onnx")
    assert (both.exit_code, "give it alone, without --image-size" in both.output) == (2, True)


def test_the_next_command_repeats_what_was_given(tmp_path: Path) -> None:
    rows = [f"{i}.png,P{i},a" if i % 2 else f"{i}.png,P{i},b" for i in range(12)]
    for i in range(12):
        Image.effect_noise((32, 32), 90).save(tmp_path / f"{i}.png")
    (tmp_path / "my set.csv").write_text("\n".join(["image,who,grade", *rows]))
    given = ["--label-column", "grade", "--group-column", "who", "--finish", "norm", "--skip-bad"]
    result = ttl("plan", str(tmp_path / "my set.csv"), *TINY, *given)
    assert result.exit_code == 0, result.output
    line = result.output.strip().splitlines()[-1]
    assert "--finish norm" in line
    assert "--label-column grade --group-column who --skip-bad" in line
    assert f"'{tmp_path}/my set.csv'" in line


def test_finetune_over_seeds_shows_mean_and_deviation_beside_the_interval(tmp_path: Path) -> None:
    given = ["digits:0-1", *TINY, "--cut", "layer1.0", "--seeds", "2", "--track", "tensorboard", "--out", tmp_path]
    result = ttl("finetune", *given)
    assert result.exit_code == 0, result.output
    assert re.search(r"AUROC +\d\.\d{4} \(.*\) +mean \d\.\d{4}, sd \d\.\d{4} over 2 seeds", result.output)
    as_json = json.loads(ttl("finetune", *given, "--json").stdout)
    assert as_json["spread"]["seeds"] == [0, 1]
    logs = sorted(path.parent.name for path in (tmp_path / "tensorboard").rglob("events.out.tfevents*"))
    assert [name.rsplit("-", 1)[0] for name in logs] == ["layer1.0-seed0", "layer1.0-seed1"]
    assert not list((tmp_path / "trials").glob(".*"))


def test_a_range_in_the_next_command_is_two_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(8):
            Image.fromarray(rng.integers(0, 500, (32, 32), dtype=np.uint16)).save(tmp_path / label / f"{number}.png")
    result = ttl("plan", tmp_path, *TINY, "--range", "40", "400")
    assert result.exit_code == 0, result.output
    assert "--range 40.0 400.0" in result.output.strip().splitlines()[-1]
    for given in (["--range", "40", "40"], ["--window", "40", "0"], ["--window", "40", "400"], ["--frame", "0"]):
        assert ttl("plan", tmp_path, *TINY, *given).exit_code == 2, given


def test_plan_estimates_what_a_search_costs() -> None:
    result = ttl("plan", "digits:0-1", *TINY)
    assert result.exit_code == 0, result.output
    begins = "The search begins with one fine-tune with a head at every point; at most 3 fine-tunes."
    assert begins in result.output
    assert "independent test images (patients) have a chance of" in result.output
    assert "ttl run digits:0-1 --model test_resnet --weights none" in result.output


@pytest.mark.parametrize(
    ("patient", "says"),
    [
        (lambda i: f"P{i}", "Patients: known of 12 of 12 images."),
        (
            lambda i: f"P{i}" if i > 3 else "nan",
            "Patients: known of 8 of 12 images; of the others, those of one patient",
        ),
        (lambda i: "", "Patients: known of 0 of 12 images; images of one patient may be in several splits."),
    ],
)
def test_plan_ends_with_the_patients_that_are_known(tmp_path: Path, patient: Callable[[int], str], says: str) -> None:
    for i in range(12):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32), np.uint8)).save(tmp_path / f"{i}.png")
    rows = [f"{i}.png,{patient(i)},{'ab'[i % 2]}" for i in range(12)]
    (tmp_path / "set.csv").write_text("\n".join(["image,patient,label", *rows]))
    result = ttl("plan", tmp_path / "set.csv", *TINY)
    assert result.exit_code == 0, result.output
    before_next = result.output.partition("\nNext:")[0].strip().splitlines()
    assert before_next[-1].startswith(says)
    assert all(len(line) <= 600 for line in before_next)


def test_a_message_is_a_line_of_at_most_600_characters(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
    deep.mkdir(parents=True)
    rows = [f"{'x' * 90}{i}.png,{'ab'[i % 2]}" for i in range(300)]
    (deep / "set.csv").write_text("\n".join(["image,label", *rows]))
    result = ttl("plan", deep / "set.csv", *TINY)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("ttl: None of the 300 images in /")
    assert len(line) <= 600 + len("ttl: ")
    assert line.endswith("correct them.")


def test_a_config_file_gives_options_and_a_flag_wins(tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('data = "digits:0-1"\nmodel = "test_resnet"\nweights = "none"\nimage-size = 32\nepochs = 7\n')
    result = ttl("finetune", "--config", config, "--cut", "1", "--epochs", "1", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epochs"] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["points", "resnett50"], 1, "timm has no model 'resnett50': did you mean resnet50"),
        (["run", "digits:0-1", "--model", "test_resnet", "--epochs", "0"], 2, "--epochs is 0"),
        (["run", "--model", "test_resnet"], 2, "No data was given"),
        (["run", "nowhere", "--model", "test_resnet", "--weights", "none"], 1, "nowhere"),
        (["finetune", "digits:0-1", *TINY, "--cut", "layer9"], 1, "There is no truncation point 'layer9'"),
        (["finetune", "nowhere", *TINY, "--cut", "layer9"], 1, "There is no truncation point 'layer9'"),
        (["run", "nowhere", *TINY, "--min-point", "layer9"], 1, "There is no truncation point 'layer9'"),
        (
            ["finetune", "digits:0-1", *TINY, "--recipe", "magic"],
            2,
            "There is no recipe 'magic': there are full, unet, fc",
        ),
        (["predict", "nothing.onnx", "."], 1, "nothing.onnx"),
        (["predict", "nothing.onnx", ".", "--threads", "0"], 2, "0 threads can't be used"),
        (["predict", "nothing.onnx", ".", "--csv", "-", "--json"], 2, "both write to stdout"),
        (["report", "nowhere"], 1, "nowhere"),
        (["export", "nowhere"], 1, "nowhere"),
        (["bench", "nothing.onnx"], 1, "nothing.onnx"),
    ],
)
def test_bad_input_ends_in_one_line_and_the_right_status(
    arguments: list[str], status: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = ttl(*arguments)
    assert result.exit_code == status, result.output
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "Stopped. What was finished is kept: the same command again goes on from there."),
        (OSError(28, "No space left on device", "a/b"), 1, "No space left on device (a/b): nothing already written"),
        (DataError("a\n  sentence"), 1, "a sentence"),
    ],
)
def test_what_ends_a_verb_is_one_line_too(
    error: BaseException, status: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise error

    monkeypatch.setattr(import_module("ttl.run"), "check", broken)  # `ttl.run` itself is a function
    result = ttl("check", "folder")
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(f"ttl: {line}")
    assert result.stderr.count("\n") == 1


def test_the_tables_of_a_report_as_files_and_as_json(finished: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = finished
    result = ttl("report", folder, "--csv", tmp_path / "tables")
    assert result.exit_code == 0, result.output
    files = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"why-depth.csv", "why-pareto.csv", "errors-confusion-full.csv", "curves-roc-1.csv"} <= files
    content = json.loads(ttl("report", folder, "--json").output)
    assert {f"{table['name']}.csv" for table in content["tables"]} == files
    test = json.loads((folder / "report.json").read_text())["full"]["test"]["auprc"]
    (card,) = (table for table in content["tables"] if table["name"].startswith("card-"))
    (line,) = (line for line in card["rows"] if line[0] == "Test AUPRC")
    assert {test["value"], test["ci_low"], test["ci_high"]} <= set(line)
