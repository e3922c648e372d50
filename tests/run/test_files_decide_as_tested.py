"""`ttl predict` decides of the patients of the test images what the run's test decided."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from toy_runs import content_of, tiny
from ttl.cli import app
from ttl.run import run
from ttl.stats import combined_rows
from ttl.study import tested
from ttl.study.folder import Study


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two noisy digits; three images of one digit are a patient."""
    folder = tmp_path_factory.mktemp("patients")
    images, digits = load_digits(n_class=2, return_X_y=True)
    rng, seen = np.random.default_rng(0), [0, 0]
    rows = ["path,label,who"]
    for i, (pixels, digit) in enumerate(zip(images.reshape(-1, 8, 8), digits.tolist(), strict=True)):
        Image.fromarray(np.clip(pixels * 15 + rng.normal(0, 90, (8, 8)), 0, 255).astype(np.uint8)).save(
            folder / f"{i:03}.png"
        )
        rows.append(f"{i:03}.png,{digit},P{digit}-{seen[digit] // 3}")
        seen[digit] += 1
    (folder / "set.csv").write_text("\n".join(rows) + "\n")
    return folder / "set.csv"


def test_decisions_of_patients_are_those_of_the_test(patients: Path, tmp_path: Path) -> None:
    options = {"data": str(patients), "group_column": "who", "decide_per": "patient", "combine": "max"}
    folder = run(tiny(tmp_path / "run", **options, epochs=2, min_point="layer4.0", sensitivity=0.8)).folder
    of_test = tested.tested(Study(folder), content_of(folder)["chosen"]["trial"])
    assert of_test is not None
    assert (of_test.rule.per, of_test.rule.combine) == ("patient", "max")
    lines = [line.split(",") for line in patients.read_text().splitlines()[1:]]
    whose = {name: who for name, _, who in lines}
    splits = [line.split(",") for line in (folder / "splits.csv").read_text().splitlines()]
    split, name = splits[0].index("split"), splits[0].index("id")
    names = [line[name] for line in splits[1:] if line[split] == "test"]
    (patients.parent / "test.csv").write_text("\n".join(["path,who", *(f"{n},{whose[n]}" for n in names)]) + "\n")
    given = [str(folder / "model.onnx"), str(patients.parent / "test.csv"), "--group-column", "who", "--json"]
    result = CliRunner().invoke(app, ["predict", *given])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)
    assert {row["decided_by"] for row in rows} == {"the file's rule"}
    wanted, keys = combined_rows(of_test.rows, [whose[n] for n in names], "max", exclusive=True)
    decided = dict(zip(keys, of_test.rule.decisions(wanted, ("0", "1")).tolist(), strict=True))
    found = {row["patient"]: row["decision"] for row in rows}
    assert found == {key: str(decision) for key, decision in decided.items()}
    assert len(set(found.values())) == 2
