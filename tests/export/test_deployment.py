"""What docs/deployment.md tells a program without ttl to do gives what ttl gives."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from ttl.data import ImageList
from ttl.data.kind import KINDS
from ttl.export.contract import Contract
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.file_decisions import image_decisions
from ttl.export.run import OnnxModel
from ttl.export.to_file import ExportResult
from ttl.stats import DecisionRule

DOC = Path(__file__).parents[2] / "docs" / "deployment.md"


@pytest.fixture
def scan(tmp_path: Path) -> Image.Image:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 61, 3), dtype=np.uint8))
    image.save(tmp_path / "scan.png")
    return image


AT = DecisionRule(("pneumonie é",), (0.5,))


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("binary", None),
        ("binary", replace(AT, thresholds=(0.01,))),
        ("binary", replace(AT, thresholds=(0.99,))),
        ("multilabel", DecisionRule((), (0.99, 0.01))),
    ],
)
def test_the_python_there_runs_and_decides(
    exported: ExportResult,
    contract: Contract,
    scan: Image.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    rule: DecisionRule | None,
) -> None:
    own = replace(contract, kind=KINDS[kind], decision=rule)
    onnx.save(embed_preprocessing(onnx.load(exported.path), own), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    snippet, _ = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(snippet, str(DOC), "exec"), {})
    printed, decided = capsys.readouterr().out.splitlines()
    model = OnnxModel(tmp_path / "model.onnx", threads=1)
    (wanted,) = model.predict_images([scan])
    assert ast.literal_eval(printed) == pytest.approx(
        dict(zip(contract.class_names, wanted.tolist(), strict=True)), abs=1e-6
    )
    if kind == "binary":
        (plain,) = OnnxModel(exported.path, threads=1).predict_images([scan])
        assert wanted == pytest.approx(plain, abs=1e-3)
    images = ImageList((tmp_path / "scan.png",), ("",), tmp_path)
    (each,) = image_decisions(model, images, model.contract.rule)
    decision, names = each.decided.decision, contract.class_names
    if rule is None:
        assert decided == decision
    elif rule.finding:
        assert decided == str(decision == names[1]) == str(rule.thresholds[0] < 0.5)
    else:
        assert ast.literal_eval(decided) == list(decision) == [names[1]]


def test_the_steps_there_without_embedding(exported: ExportResult, scan: Image.Image) -> None:
    session = ort.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    own = {key.removeprefix("ttl."): json.loads(value) for key, value in metadata.items()}
    red, green, blue = np.asarray(scan).astype(np.int64).transpose(2, 0, 1)
    grey = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    size, filters = own["image_size"], {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    assert own["channels"] == 1
    squashed = Image.fromarray(grey.astype(np.uint8)).resize((size, size), filters[own["interpolation"]])
    channels = zip(own["mean"], own["std"], strict=True)
    image = np.stack([(np.asarray(squashed) / 255 - mean) / std for mean, std in channels])[None].astype(np.float32)
    (logits,) = session.run(None, {"image": image})
    powers = np.exp(logits[0])
    (wanted,) = OnnxModel(exported.path, threads=1).predict_images([scan])
    np.testing.assert_allclose(powers / powers.sum(), wanted, atol=1e-6)
