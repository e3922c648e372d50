"""Figures of groups of the test images, the worst first, small ones marked."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toy_runs import content_of, tiny
from ttl.config import RunConfig
from ttl.files import sha256
from ttl.run import check, run
from ttl.study.folder import Study
from ttl.study.ledger import read_ledger


def manifest(folder: Path, n: int = 240) -> Path:
    """Bright and dark squares from two sites, two devices: at one the marks are faint, and a third has five images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for i in range(n):
        label, site = i % 2, "small" if i >= n - 8 else ("clear", "faint")[i // 2 % 2]
        pixels = rng.integers(90, 160, (32, 32))
        if label:
            pixels[8:24, 8:24] += {"clear": 90, "faint": 12, "small": 90}[site]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        rows.append((f"{i}.png", ("no finding", "mark")[label], site, "AB"[i // 4 % 2]))
    with (folder / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "site", "device"), *rows])
    return folder / "images.csv"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return manifest(tmp_path_factory.mktemp("sites") / "data")


def asked(data: Path, out: Path, *columns: str) -> RunConfig:
    options = {"data": str(data), "strategy": "probe", "test_fraction": 0.4, "epochs": 2}
    return tiny(out, **options, subgroup_columns=columns)


@pytest.fixture(scope="module")
def grouped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that looked at sites."""
    return run(asked(data, tmp_path_factory.mktemp("grouped") / "run", "site")).folder


def test_every_group_has_its_figures_and_the_worst_comes_first(grouped: Path) -> None:
    content = content_of(grouped)
    groups = content["subgroups"]
    assert [group["value"] for group in groups][-1] == "small"
    assert [group["too_few"] for group in groups] == [False, False, True]
    assert sum(group["units"] for group in groups) == content["task"]["split_images"]["test"]
    scores = [(group.get("chosen") or group["full"])["score"]["value"] for group in groups[:2]]
    assert scores == sorted(scores)
    faint = next(group for group in groups if group["value"] == "faint")
    assert set(faint["full"]["rates"]) == {"sensitivity", "specificity", "balanced_accuracy"}
    lines = list(csv.DictReader((grouped / "subgroups.csv").read_text().splitlines()))
    assert {line["value"] for line in lines} == {"clear", "faint", "small"}
    (row,) = [row for row in lines if (row["value"], row["network"], row["metric"]) == ("faint", "full", "score")]
    assert float(row["figure"]) == pytest.approx(faint["full"]["score"]["value"])


def test_other_groups_in_a_finished_folder_train_nothing_and_are_a_look(
    grouped: Path, data: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(grouped, tmp_path / "run"))
    before, looks = content_of(folder), read_ledger(Study(folder)).looks
    kept = {path: sha256(path) for path in folder.rglob("*") if path.suffix in (".onnx", ".safetensors")}
    assert run(asked(data, folder, "device")).trained == 0
    assert {path: sha256(path) for path in kept} == kept
    after = content_of(folder)
    assert {(group["column"], group["value"]) for group in after["subgroups"]} == {("device", "A"), ("device", "B")}
    assert (after["chosen"], after["latency"]) == (before["chosen"], before["latency"])
    for file in ("model", "full"):
        card = (folder / f"{file}.md").read_text()
        assert "| device: A |" in card
        assert "site: " not in card
        assert {group["column"] for group in content_of(folder, f"{file}.json")["export"]["groups"]} == {"device"}
    assert "site" not in (folder / "subgroups.csv").read_text()
    added = read_ledger(Study(folder)).looks[len(looks) :]
    assert {look.occasion for look in added} == {"other groups"}
    assert sorted(look.trial for look in added) == sorted({after["chosen"]["trial"], after["full"]["trial"]})
    assert "other groups" in (folder / "report.html").read_text()
    assert all(state.state != "damaged" for state in check(folder))
    # What was looked at once is no news, nor is it to leave groups out.
    assert run(asked(data, folder)).trained == 0
    assert read_ledger(Study(folder)).looks == (*looks, *added)
    assert not content_of(folder)["subgroups"]
    assert not (folder / "subgroups.csv").exists()
    assert "device: " not in (folder / "model.md").read_text()
