"""What becomes of damaged and odd inputs: every reader is given mutated files, through the commands that people type.

    python benchmarks/fuzz.py --inputs 500 --seed 0

Each input is a sound one (images of many formats, masks, tables, arrays, options, checkpoints, a run folder, an
exported file) of which one file was changed: bits, bytes, lengths, tokens, JSON values under a digest that fits again.
It ends as a *clean error* (exit status 1 or 2 and one sentence), it *works*, or it is a fault: a *traceback*, a message
that isn't one sentence of at most 600 characters, or a *hang*. Every input is made from the seed and its number alone,
so that `--only NUMBER` does it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from PIL import Image
from safetensors.torch import save_file

LIMIT_S = 60.0
"""After which an input hangs: a sound one takes a second or two."""
LONGEST = 600
NETWORK = ("--model", "test_resnet", "--weights", "none", "--image-size", "32")
UNET = ("--model", "unet:test_resnet", *NETWORK[2:])
DIGITS = ("digits:0-1", *NETWORK)
TRAINED = ("--epochs", "1", "--batch-size", "8", "--lr", "3e-3", "--threads", "1", "--strategy", "two-stage")
FORMATS = ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm", "jp2")
MODES = ("L", "RGB", "P", "RGBA", "LA", "I;16", "1", "CMYK", "F", "I")
JSON_VALUES: tuple[object, ...] = (
    None,
    {},
    [],
    "",
    "x",
    -1,
    0,
    1e308,
    10**30,
    True,
    float("nan"),
    [[]],
    {"": None},
    "\ud800",
    "A" * 5000,
)
CELLS = (
    *(
        "",
        " ",
        "nan",
        "NA",
        "-",
        "0",
        "1.0",
        "-1",
        "1e400",
        "\u00e9",
        "e\u0301",
        "A|B",
        "None",
        "true",
        "../../x.png",
        "/",
    ),
    *("images\\0.png", "http://x/0.png", "\x00", "\n", '"', "'", ",", "a" * 300, "train", "Testing", "#ff0000", "=1+1"),
)
TOKENS = (
    b"\0",
    b'"',
    b"nan",
    b"-1",
    b"1e999",
    b",,,",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"../" * 9,
    b"\r\r\n",
    b"{",
    b"%s",
)


@dataclass(frozen=True)
class Door:
    """A way in: the command's words, and the files to change.

    In the words `{at}` is the copied folder of its sound input, `{root}` that of all sound ones, `{file}` the file that
    was changed.
    """

    name: str
    words: tuple[str, ...]
    folder: str
    files: tuple[str, ...]  # glob patterns under the folder
    change: Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Outcome:
    """Of one input: `works`, `clean error`, `traceback`, `unclear message` or `hang`; and what was printed."""

    number: int
    door: str
    changed: str
    kind: str
    words: str


def picture(rng: random.Random, mode: str, side: int = 24) -> Image.Image:
    """Noise with a brighter square."""
    noise = np.random.default_rng(rng.getrandbits(32))
    pixels = noise.integers(0, 120, (side, side, 3), dtype=np.uint8)
    pixels[4:12, 4:12] += 100
    image = Image.fromarray(pixels)
    if mode in ("I;16", "F", "I"):
        deep = np.asarray(image.convert("L")).astype({"I;16": np.uint16, "F": np.float32, "I": np.int32}[mode]) * 200
        return Image.fromarray(deep)
    return image.convert("RGB").convert(mode)


def write_picture(path: Path, rng: random.Random, mode: str) -> None:
    """In that mode, or the nearest that the format can hold."""
    for tried in (mode, "RGB", "L"):
        try:
            picture(rng, tried).save(path)
            return
        except (OSError, ValueError, KeyError):
            continue


def write_dicom(path: Path, rng: random.Random) -> None:
    """A small CT image, where pydicom is installed."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    header.PatientID, header.Rows, header.Columns, header.SamplesPerPixel = f"P{rng.randrange(9)}", 24, 24, 1
    header.PhotometricInterpretation, header.PixelRepresentation = "MONOCHROME2", 1
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.RescaleSlope, header.RescaleIntercept, header.WindowCenter, header.WindowWidth = 1, -1024, 40, 400
    header.PixelData = (np.asarray(picture(rng, "L")).astype(np.int16) * 8).tobytes()
    header.save_as(path, enforce_file_format=True)


def sound_inputs(root: Path) -> None:
    """One folder for each kind of input, all of them sound."""
    rng = random.Random(0)
    for label in "ab":
        for folder in ("classes", "dicom", "masks/images", "masks/masks", "table/images"):
            (root / folder / (label if folder in ("classes", "dicom") else "")).mkdir(parents=True, exist_ok=True)
        for i in range(20):
            suffix, mode = FORMATS[i % len(FORMATS)], MODES[i % len(MODES)]
            write_picture(root / "classes" / label / f"{i}.{suffix}", rng, mode)
            write_dicom(root / "dicom" / label / f"{i}.dcm", rng)
    for i in range(20):
        write_picture(root / "masks" / "images" / f"{i}.png", rng, "RGB")
        outline = np.zeros((24, 24), np.uint8)
        outline[4:12, 4:12] = 1
        Image.fromarray(outline).save(root / "masks" / "masks" / f"{i}.{('png', 'tif', 'bmp')[i % 3]}")
        write_picture(root / "table" / "images" / f"{i}.png", rng, "L")
    (root / "masks" / "classes.txt").write_text("ground\ncell\n")
    rows = [f"images/{i}.png,{'ab'[i % 2]},P{i // 2},{'FM'[i % 3 % 2]}" for i in range(20)]
    (root / "table" / "set.csv").write_text("\n".join(["image,label,patient,sex", *rows]) + "\n")
    noise = np.random.default_rng(0)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for split, n in (("train", 24), ("val", 8), ("test", 8)):
        arrays[f"{split}_images"] = noise.integers(0, 256, (n, 24, 24), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2)[:, None]
    (root / "arrays").mkdir()
    np.savez(root / "arrays" / "set.npz", allow_pickle=False, **arrays)
    (root / "options").mkdir()
    (root / "options" / "run.toml").write_text(
        'data = "digits:0-1"\nmodel = "test_resnet"\nimage-size = 32\nepochs = 2\n'
    )
    recipe = 'batch_size = 8\n[[phases]]\ntrain = ["all"]\nlr = 1e-4\nepochs = 2\n'
    (root / "options" / "own.toml").write_text(recipe)
    (root / "weights").mkdir()
    import timm

    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, root / "weights" / "w.pth")
    torch.save(state, root / "weights" / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, root / "weights" / "w.safetensors")
    run = root / "run"
    (root / "file").mkdir()
    for words in (
        ["run", *DIGITS, *TRAINED, "--out", str(run)],
        ["export", str(run), "--embed-preprocessing", "--out", str(root / "file" / "model.onnx")],
    ):
        kind, said = typed(words)
        if kind != "works":
            raise SystemExit(f"The sound input can't be made: {said}")
    for i in range(3):
        write_picture(root / "file" / f"{i}.png", rng, "L")
    shutil.copy(run / "splits.csv", root / "options" / "splits.csv")


def change_bytes(path: Path, rng: random.Random) -> None:
    """Bits, a part removed, doubled or overwritten, tokens, or the end cut off."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 1, 2, 8, 40))):
        at, size = rng.randrange(len(content) + 1), rng.choice((1, 2, 4, 16, 200))
        match rng.randrange(7):
            case 0 if content:
                content[min(at, len(content) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                del content[at : at + size]
            case 2:
                content[at:at] = content[at : at + size]
            case 3:
                content[at : at + size] = rng.randbytes(size)
            case 4:
                content[at:at] = rng.choice(TOKENS)
            case 5:
                content[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0\0\0"))
            case _:
                del content[rng.randrange(len(content) + 1) :]
    path.write_bytes(content)


def change_text(path: Path, rng: random.Random) -> None:
    """Other values between commas, quotation marks and ends of lines, or the whole in another encoding."""
    parts = re.split(r"([,;\n\"=]+)", path.read_text(encoding="utf-8"))
    for _ in range(rng.choice((1, 1, 2, 5))):
        parts[rng.randrange(len(parts))] = rng.choice((*CELLS, *parts))
    text = "".join(parts)
    path.write_bytes(text.encode(rng.choice(("utf-8",) * 4 + ("utf-16", "utf-8-sig", "cp1252")), errors="replace"))


def change_json(path: Path, rng: random.Random) -> None:
    """Another value, or none, under some key; the digest of the whole fits again."""
    from ttl.typed import SEAL, digest_of

    content = json.loads(path.read_text())
    changed_value(content, rng)
    if isinstance(content, dict) and SEAL in content:
        del content[SEAL]
        content[SEAL] = digest_of(content)
    # With NaN, which `ttl.typed.dumps` refuses to write.
    path.write_text(json.dumps(content, indent=1), encoding="utf-8", errors="surrogatepass")


def changed_value(content: Any, rng: random.Random) -> None:
    """One value somewhere within, deeper or higher at random."""
    at = content
    while isinstance(at, dict | list) and at:
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        inner = at[key]
        if not (isinstance(inner, dict | list) and inner and rng.random() < 0.8):
            if rng.random() < 0.3:
                del at[key]
            else:
                at[key] = rng.choice(JSON_VALUES)
            return
        at = inner


def change_metadata(path: Path, rng: random.Random) -> None:
    """One value of an ONNX file's metadata, or another input or output; its digests fit again."""
    from ttl.export.digest import check_digests, seal

    values = check_digests(path)
    model = onnx.load(str(path))
    if rng.random() < 0.15:
        (model.graph.input if rng.random() < 0.5 else model.graph.output).append(
            onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["n", 3])
        )
    key = rng.choice(sorted(values))
    try:
        holder = [json.loads(values[key])]
        changed_value(holder, rng)
        made = json.dumps(holder[0]) if holder else ""
    except ValueError:
        made = "{"
    values[key] = made
    if rng.random() < 0.2:
        del values[key]
    path.write_bytes(seal(model.SerializeToString(), values))


ALL = ("*.json", "trials/*/*.json", "splits.csv")
DOORS = (
    Door("images", ("plan", "{at}", *NETWORK), "classes", ("*/*",), change_bytes),
    Door("images, bad ones skipped", ("plan", "{at}", *NETWORK, "--skip-bad"), "classes", ("*/*",), change_bytes),
    Door("dicom", ("plan", "{at}", *NETWORK, "--skip-bad"), "dicom", ("*/*",), change_bytes),
    Door("masks", ("plan", "{at}", *UNET, "--skip-bad"), "masks", ("masks/*", "classes.txt"), change_bytes),
    Door("table", ("plan", "{at}/set.csv", *NETWORK), "table", ("set.csv",), change_text),
    Door("arrays", ("plan", "{at}/set.npz", *NETWORK), "arrays", ("set.npz",), change_bytes),
    Door("options", ("plan", "--config", "{at}/run.toml", "--weights", "none"), "options", ("run.toml",), change_text),
    Door("recipe", ("plan", *DIGITS, "--recipe", "{at}/own.toml"), "options", ("own.toml",), change_text),
    Door("splits", ("plan", *DIGITS, "--splits", "{at}/splits.csv"), "options", ("splits.csv",), change_text),
    Door(
        "checkpoint",
        ("points", "test_resnet", "--image-size", "32", "--weights", "{file}"),
        "weights",
        ("*",),
        change_bytes,
    ),
    Door("report", ("report", "{at}"), "run", ("report.json",), change_json),
    Door("check", ("check", "{at}"), "run", ALL[:2], change_json),
    Door("export", ("export", "{at}"), "run", ALL[:2], change_json),
    Door("go on", ("run", *DIGITS, *TRAINED, "--out", "{at}"), "run", ALL[:2], change_json),
    Door("validate", ("validate", "{at}", "digits:0-1", "--no-leak-check"), "run", ALL[:2], change_json),
    Door("damage", ("check", "{at}"), "run", ("*", "trials/*/*"), change_bytes),
    Door("exported file", ("predict", "{at}/model.onnx", "{root}/file/0.png"), "run", ("model.onnx",), change_bytes),
    Door("metadata", ("predict", "{at}/model.onnx", "{root}/file"), "run", ("model.onnx",), change_metadata),
    Door("metadata, embedded", ("predict", "{at}/model.onnx", "{at}"), "file", ("model.onnx",), change_metadata),
    Door("predict", ("predict", "{root}/run/model.onnx", "{at}"), "classes", ("*/*",), change_bytes),
)


def typed(words: Sequence[str]) -> tuple[str, str]:
    """How a command ended: the kind of its outcome, and what it said."""
    from typer.testing import CliRunner

    from ttl.cli import app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(app, [*words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return "traceback", "".join(traceback.format_exception(done.exception))
    if done.exit_code == 0:
        return "works", ""
    said = done.stderr.strip().splitlines()
    sentence = next((line for line in reversed(said) if line.startswith("ttl: ")), "")
    if words[0] == "check" and done.exit_code == 1 and not sentence:  # its answer is a table
        return "clean error", done.output
    length = len(sentence.removeprefix("ttl: "))
    clear = done.exit_code in (1, 2) and 20 < length <= LONGEST and "Traceback" not in done.output
    return ("clean error" if clear else "unclear message"), sentence or done.output


def one_input(number: int, seed: int, root: Path) -> tuple[Door, Path, list[str]]:
    """The input of that number, in a folder of its own: its door, the changed file, and the command."""
    rng = random.Random(f"{seed} {number}")
    door = DOORS[number % len(DOORS)]
    at = Path(tempfile.mkdtemp(prefix="fuzz-")) / door.folder
    shutil.copytree(root / door.folder, at)
    files = sorted(path for pattern in door.files for path in at.glob(pattern) if path.is_file())
    changed = rng.choice(files)
    door.change(changed, rng)
    return door, changed, command(door, at, root, changed)


def command(door: Door, at: Path, root: Path, file: Path) -> list[str]:
    """What is typed at a door for the input in the folder `at`."""
    names = {"at": str(at), "root": str(root), "file": str(file)}
    return [word.format(**names) for word in door.words]


def worker(connection: Connection, seed: int, root: Path) -> None:
    """Does the inputs whose numbers it is sent, one after another."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # until the process ends
    os.dup2(sys.stderr.fileno(), 2)
    torch.set_num_threads(1)
    while (number := connection.recv()) is not None:
        door, changed, words = one_input(number, seed, root)
        kind, said = typed(words)
        connection.send(Outcome(number, door.name, changed.name, kind, said))
        shutil.rmtree(changed.parents[len(changed.relative_to(Path(tempfile.gettempdir())).parts) - 2])


def outcomes(numbers: Sequence[int], seed: int, root: Path) -> Iterator[Outcome]:
    """Of each input, in order; a process that hangs or dies is replaced."""
    context = multiprocessing.get_context("spawn")
    process = None
    for number in numbers:
        if process is None:
            here, there = context.Pipe()
            process = context.Process(target=worker, args=(there, seed, root), daemon=True)
            process.start()
            there.close()
        here.send(number)
        try:
            outcome = here.recv() if here.poll(LIMIT_S) else None
            ended = "hang", f"no end within {LIMIT_S:g} s"
        except EOFError:
            outcome, ended = None, ("traceback", "the process died")
        if outcome is None:
            process.kill()
            process.join()
            process = None
            outcome = Outcome(number, DOORS[number % len(DOORS)].name, "", *ended)
        yield outcome
    if process is not None:
        here.send(None)
        process.join()


FAULTS = ("unclear message", "traceback", "hang")


def main() -> None:
    """Print each fault, then how often each outcome came at each door; the exit status is 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one input, and what it ended as")
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="fuzz-sound-"))
    sound_inputs(root)
    for door in DOORS:
        kind, said = typed(command(door, root / door.folder, root, next((root / door.folder).glob(door.files[0]))))
        if kind != "works":
            raise SystemExit(f"The sound input of {door.name!r} doesn't work: {said}")
    numbers = range(asked.inputs) if asked.only is None else [asked.only]
    counts: dict[str, Counter[str]] = {door.name: Counter() for door in DOORS}
    for outcome in outcomes(numbers, asked.seed, root):
        counts[outcome.door][outcome.kind] += 1
        if outcome.kind in FAULTS or asked.only is not None:
            print(f"{outcome.number} {outcome.door}, {outcome.changed}: {outcome.kind}\n{outcome.words}\n", flush=True)
    kinds = ("clean error", "works", *FAULTS)
    print(f"{'':26}" + "".join(f"{kind:>17}" for kind in kinds))
    for name, count in counts.items():
        print(f"{name:26}" + "".join(f"{count[kind]:17}" for kind in kinds))
    total = sum(counts.values(), Counter[str]())
    print(f"{'all':26}" + "".join(f"{total[kind]:17}" for kind in kinds))
    shutil.rmtree(root)
    sys.exit(any(total[kind] for kind in FAULTS))


if __name__ == "__main__":
    main()
