"""What docs/deployment.md tells a program without ttl to do gives what ttl gives."""

from __future__ import annotations

import ast
import json
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import ExifTags, Image

from ttl.data import ImageList
from ttl.data.kind import KINDS
from ttl.data.modality.eight_bits import of_image
from ttl.data.modality.stretch import FEWEST, OUTLIERS, shares
from ttl.data.modality.stretch import limits as limits_of
from ttl.export.contract import Contract
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.file_decisions import image_decisions
from ttl.export.run import OnnxModel
from ttl.export.to_file import ExportResult
from ttl.export.usage.parts import Decision
from ttl.stats import DecisionRule
from ttl.typed import to_json

DOC = Path(__file__).parents[2] / "docs" / "deployment.md"


def block(language: str) -> str:
    """The page's first block of code in a language."""
    found, *_ = re.findall(rf"```{language}\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


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
    exec(compile(block("python"), str(DOC), "exec"), {})
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


NOISE = np.random.default_rng(5)
COLOUR = NOISE.integers(0, 256, (40, 33, 3), dtype=np.uint8)
ALPHA = NOISE.integers(0, 256, (40, 33, 1), dtype=np.uint8)
DEEP = NOISE.normal(30000, 900, (40, 33)).clip(0, 65535).astype(np.uint16)
DEEP[3, 4], DEEP[5, 6] = 0, 65535
TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 8
SAVED: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
    "16 bits": (Image.fromarray(DEEP), "PNG", {}),
    "RGBA": (Image.fromarray(np.concatenate([COLOUR, ALPHA], axis=2)), "PNG", {}),
    "grey and alpha": (Image.fromarray(np.concatenate([COLOUR[..., :1], ALPHA], axis=2)), "PNG", {}),
    "palette": (Image.fromarray(COLOUR).quantize(40), "PNG", {}),
    "a transparent colour": (Image.fromarray(COLOUR[..., 0]), "PNG", {"transparency": 7}),
    "black and white": (Image.fromarray(COLOUR[..., 0] > 99), "PNG", {}),
    "turned": (Image.fromarray(COLOUR), "JPEG", {"exif": TURNED}),
    "CMYK": (Image.fromarray(np.concatenate([COLOUR, ALPHA], axis=2), "CMYK"), "JPEG", {}),
    "WebP": (Image.fromarray(COLOUR), "WEBP", {"lossless": True}),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SAVED)
def test_the_python_there_decodes_as_ttl_does(
    exported: ExportResult,
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    channels: int,
) -> None:
    image, form, options = SAVED[name]
    image.save(tmp_path / "scan.png", form, **options)
    own = replace(contract, channels=channels, decision=AT, decoding=replace(contract.decoding, stretch="percentiles"))
    onnx.save(embed_preprocessing(onnx.load(exported.path), own), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), str(DOC), "exec"), {})
    printed, decided = capsys.readouterr().out.splitlines()
    model = OnnxModel(tmp_path / "model.onnx", threads=1)
    (each,) = image_decisions(model, ImageList((tmp_path / "scan.png",), ("",), tmp_path), model.contract.rule)
    assert ast.literal_eval(printed) == pytest.approx(dict(each.decided.probabilities), abs=1e-6)
    assert decided == str(each.decided.decision == AT.finding[0])


def deep_png(colour: int, channels: int) -> bytes:
    """A PNG of 16 bits in a kind of colour that Pillow can't write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + NOISE.integers(0, 256, 6 * channels * 2, dtype=np.uint8).tobytes() for _ in range(4))
    header = struct.pack(">IIBBBBB", 6, 4, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_the_python_there_refuses_what_it_would_decode_otherwise(
    exported: ExportResult,
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    colour: int,
    channels: int,
) -> None:
    (tmp_path / "scan.png").write_bytes(deep_png(colour, channels))
    onnx.save(embed_preprocessing(onnx.load(exported.path), contract), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"scan\.png needs another decoder than Pillow"):
        exec(compile(block("python"), str(DOC), "exec"), {})


def test_the_python_there_refuses_a_file_that_takes_normalised_images(
    exported: ExportResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(exported.path, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="takes normalised images"):
        exec(compile(block("python"), str(DOC), "exec"), {})


DECIDED = [
    (DecisionRule(), [0.2, 0.5, 0.3], "b", [1]),
    (DecisionRule((), (0.5, 0.6, 0.3)), [0.5, 0.59, 0.9], ["a", "c"], [0, 2]),
    (DecisionRule(("a", "c"), (0.75,)), [0.5, 0.25, 0.25], True, [1]),
    (DecisionRule(("a", "c"), (0.7500001,)), [0.5, 0.25, 0.25], False, [0]),
]


@pytest.mark.consumers
def test_the_javascript_there_decides_and_refuses(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node isn't installed")
    page = block("html")
    parts = [
        re.search(rf"^  function {name}.*?^  }}$", page, re.DOTALL | re.MULTILINE) for name in ("isDec", "decided")
    ]
    source = "\n".join(part[0] for part in parts if part)
    cases = [
        [row, {"class_names": ["a", "b", "c"], "decision": to_json(usage_decision(rule))}] for rule, row, *_ in DECIDED
    ]
    heads = [
        list(deep_png(2, 3)[:26]),
        [0xFF, 0xD8] + [0] * 24,
        [*b"\x89PNG", *[0] * 20, 8, 2],
        [*b"GIF89a", *[0] * 20],
    ]
    source += f"\nconst cases = {json.dumps(cases)}, heads = {json.dumps(heads)};\n"
    source += "console.log(JSON.stringify([cases.map(([p, u]) => decided(p, u)), heads.map(isDecodedAlike)]));\n"
    (tmp_path / "page.mjs").write_text(source, encoding="utf-8")
    done = subprocess.run(["node", tmp_path / "page.mjs"], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [[wanted for *_, wanted, _ in DECIDED], [False, True, True, False]]


def usage_decision(rule: DecisionRule) -> Decision:
    by = "most probable" if not rule.thresholds else "finding" if rule.finding else "labels"
    return Decision(by, rule.finding, rule.thresholds, rule.per, rule.combine)


MAIN = """
#include <cstdio>
int main() {{
  for (uint8_t v : stretched({{{values}}}, {share}, {fewest})) std::printf("%d ", v);
  std::printf("\\n");
  for (int v = 0; v < 256; ++v) for (int a = 0; a < 256; ++a) std::printf("%d ", on_black(v, a));
  std::printf("\\n");
{decisions}
}}
"""


def test_the_cpp_there_compiles_stretches_and_decides(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler is installed")
    lines = []
    for rule, row, *_ in DECIDED:
        finding = ", ".join(str("abc".index(name)) for name in rule.finding)
        given = f'{{{", ".join(map(str, row))}}}, "{usage_decision(rule).by}", {{{finding}}}'
        limits = ", ".join(map(repr, rule.thresholds))
        lines.append(f'  for (size_t i : decided({given}, {{{limits}}})) std::printf("%zu ", i);')
        lines.append('  std::printf("\\n");')
    values = DEEP.ravel()[:600].astype(np.float64)
    written = MAIN.format(
        values=",\n".join(map(repr, values.tolist())), share=OUTLIERS, fewest=FEWEST, decisions="\n".join(lines)
    )
    (tmp_path / "page.cpp").write_text(block("cpp") + written, encoding="utf-8")
    command = [compiler, "-std=c++17", "-Wall", "-Wextra", "-o", tmp_path / "page", tmp_path / "page.cpp"]
    compiled = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (compiled.returncode, compiled.stderr) == (0, "")
    done = subprocess.run([tmp_path / "page"], capture_output=True, text=True, check=True, timeout=60)
    grey, on_black, *decided = [[int(each) for each in line.split()] for line in done.stdout.splitlines()]
    assert grey == np.rint(255 * shares(values, limits_of(values))).astype(int).tolist()
    levels = np.arange(256, dtype=np.uint8)
    every = np.stack([np.repeat(levels, 256)] * 3 + [np.tile(levels, 256)], axis=1).reshape(256, 256, 4)
    assert on_black == np.asarray(of_image(Image.fromarray(every), is_upright=True).image)[..., 0].ravel().tolist()
    assert decided == [numbers for *_, numbers in DECIDED]
