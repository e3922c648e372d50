"""The files of a run on data that it never saw: nothing is fitted, what it has seen is refused, and it is on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from toy_runs import content_of, squares, tiny
from ttl import typed
from ttl.cli import app
from ttl.deliver.validation_options import ValidateConfig
from ttl.errors import DataError, RunFolderError, UsageError
from ttl.export.run import OnnxModel
from ttl.files import sha256
from ttl.report.schema.validation import Validation
from ttl.report.validation_words import prevalence_words
from ttl.run import check, run, validate
from ttl.stats import metrics

Pixels = npt.NDArray[np.uint8]
SHOWN = 30
"""Digits that a validation set has of each class."""


def digits(number: int) -> Pixels:
    """`(n, 8, 8)` as `digits` reads them."""
    images, labels = load_digits(return_X_y=True)
    return np.rint(images[labels == number].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)


def save(root: Path, name: str, images: Pixels, first: int = 0) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).save(root / name / f"{first + i:03}.png")


@pytest.fixture(scope="module")
def folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to validate in."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("validated") / "run"))


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    """Zeros and ones that no run has seen, in class folders."""
    for number in (0, 1):
        save(tmp_path / "mirrored", str(number), digits(number)[:SHOWN, :, ::-1])
    return tmp_path / "mirrored"


def test_both_files_are_tried_as_they_are(folder: Path, mirrored: Path) -> None:
    kept = {path: sha256(path) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    done = validate(folder, str(mirrored))
    assert {path: sha256(path) for path in kept} == kept
    new = {path.name for path in folder.rglob("*") if path.is_file()} - {path.name for path in kept}
    assert new - {".lock"} == {"validation-mirrored.json", "validation-mirrored.html"}
    found = done.validation
    assert (found.images, found.counts, found.dropped) == (2 * SHOWN, {"0": SHOWN, "1": SHOWN}, 0)
    assert found.leak is not None
    assert (found.leak.seen, found.leak.groups_seen) == (0, 0)
    assert typed.read(Validation, done.json) == found
    model = OnnxModel(folder / "full.onnx")
    labels = np.repeat([0, 1], SHOWN)
    rows = model.predict_images([Image.open(path) for path in sorted(mirrored.rglob("*.png"))])
    own = metrics("binary", labels, rows, tuple(found.full.metrics))
    assert {name: figure.value for name, figure in found.full.metrics.items()} == pytest.approx(own, abs=1e-6)
    assert found.full.rule == model.contract.rule
    decided = rows[:, 1] >= model.contract.rule.thresholds[0]
    (counts,) = found.full.outcomes.values()
    assert counts.true_positives == (decided & (labels == 1)).sum()
    assert counts.false_positives == (decided & (labels == 0)).sum()
    assert found.full.rates["sensitivity"].value == pytest.approx(decided[SHOWN:].mean())
    assert found.full.probabilities is not None
    bias = found.full.probabilities.bias["1"]
    assert bias.value == pytest.approx(rows[:, 1].mean() - 0.5, abs=1e-6)
    assert bias.ci_low < bias.value < bias.ci_high


def test_the_cut_is_claimed_to_be_as_good_where_both_parts_are_shown(folder: Path, mirrored: Path) -> None:
    found = validate(folder, str(mirrored)).validation
    report = content_of(folder)
    assert found.chosen is not None
    assert (found.chosen.cut, found.full.cut) == (report["chosen"]["cut"], report["full"]["cut"])
    assert found.primary is not None
    assert found.decision is not None
    assert (found.primary.metric, found.primary.margin) == ("auprc", 0.01)
    assert (found.decision.metric, found.decision.margin) == ("balanced_accuracy", 0.05)
    values = (found.chosen.metrics["auprc"].value, found.full.metrics["auprc"].value)
    assert found.primary.difference.value == pytest.approx(values[0] - values[1])
    values = (found.chosen.rates["balanced_accuracy"].value, found.full.rates["balanced_accuracy"].value)
    assert found.decision.difference.value == pytest.approx(values[0] - values[1])
    asked = ValidateConfig(margin=0.9, margin_decision=0.9, name="wide")
    wide = validate(folder, str(mirrored), asked).validation
    assert [claim.non_inferior for claim in wide.claims] == [True, True]


def test_the_page_needs_no_network_and_says_what_was_found(folder: Path, mirrored: Path) -> None:
    done = validate(folder, str(mirrored), ValidateConfig(prevalence=0.1))
    page = done.page.read_text()
    assert "http" not in page.replace("http-equiv", "")
    for words in (
        "60 images of mirrored",
        "where 10% are positive, as asked for",
        "None of 60 images is in the run&#39;s data",
        "Nothing was fitted on these images.",
        "At the operating point",
        "By chance alone",
    ):
        assert words in page, words


def test_the_classes_may_be_in_another_order(folder: Path, mirrored: Path, tmp_path: Path) -> None:
    """A manifest whose rows and labels begin with the model's second class gives the same figures."""
    paths = sorted(mirrored.rglob("*.png"), reverse=True)
    rows = [f"{path},{path.parent.name},test" for path in paths]
    (tmp_path / "set.csv").write_text("\n".join(["image,label,split", *rows]))
    one = validate(folder, str(mirrored)).validation.full.metrics
    other = validate(folder, str(tmp_path / "set.csv")).validation
    assert {name: figure.value for name, figure in other.full.metrics.items()} == pytest.approx(
        {name: figure.value for name, figure in one.items()}
    )
    assert other.notes[0] == "The split that the data bring (test 60) is left aside: all 60 images are used."


def test_a_class_that_the_model_does_not_know_is_refused(folder: Path, mirrored: Path) -> None:
    save(mirrored, "2", digits(2)[:3])
    with pytest.raises(DataError, match="mirrored has the class 2, and the model knows 0, 1: name the classes"):
        validate(folder, str(mirrored))


def test_what_the_run_has_seen_is_refused_and_can_be_left_out(folder: Path, mirrored: Path) -> None:
    save(mirrored, "1", digits(1)[:4], first=500)
    sentence = r"mirrored isn't new to the run\. In the run's data, too: 4 of 64 images: .*1/50.\.png = digits/"
    with pytest.raises(DataError, match=f"{sentence}.*: leave them out with --drop-seen, or give other data"):
        validate(folder, str(mirrored), ValidateConfig(name="seen"))
    assert not (folder / "validation-seen.json").exists()
    done = validate(folder, str(mirrored), ValidateConfig(name="seen", drop_seen=True))
    assert (done.validation.images, done.validation.dropped) == (60, 4)
    assert done.validation.counts == {"0": SHOWN, "1": SHOWN}
    assert "4 images left out for that" in done.page.read_text()


def test_of_one_class_alone_nothing_is_claimed(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "one", "0", digits(0)[:SHOWN])
    save(tmp_path / "one", "1", digits(1)[:SHOWN, :, ::-1])
    found = validate(folder, str(tmp_path / "one"), ValidateConfig(drop_seen=True)).validation
    assert found.counts == {"0": 0, "1": SHOWN}
    assert [claim.non_inferior for claim in found.claims] == [False, False]
    assert np.isnan(found.full.rates["specificity"].value)
    assert found.full.rates["sensitivity"].has_interval
    assert found.power is None


def test_a_network_that_guesses_is_called_so(folder: Path, mirrored: Path) -> None:
    """Each class has as many images of either digit."""
    shuffled = mirrored.parent / "shuffled"
    for number in (0, 1):
        images = digits(number)[:20, :, ::-1]
        save(shuffled, "0", images[::2], first=100 * number)
        save(shuffled, "1", images[1::2], first=100 * number)
    done = validate(folder, str(shuffled), ValidateConfig(margin=0.9, margin_decision=0.9))
    assert '<p class="word">Not shown to be better than chance</p>' in done.page.read_text()


def test_a_name_belongs_to_one_data_set(folder: Path, mirrored: Path) -> None:
    validate(folder, str(mirrored), ValidateConfig(name="mine"))
    save(mirrored, "1", digits(1)[SHOWN : SHOWN + 1, :, ::-1], first=900)
    with pytest.raises(UsageError, match=r"validation-mine\.json is of other data .*: give another name with --name"):
        validate(folder, str(mirrored), ValidateConfig(name="mine"))


def test_a_folder_without_fingerprints_says_so(copied: Path, mirrored: Path) -> None:
    (copied / "fingerprints.json").unlink()
    with pytest.raises(RunFolderError, match=r"has no fingerprints\.json, .* give --no-leak-check"):
        validate(copied, str(mirrored))
    done = validate(copied, str(mirrored), ValidateConfig(no_leak_check=True))
    assert done.validation.leak is None
    assert "It was not checked whether the run has seen some of these images" in done.page.read_text()


def test_an_unfinished_run_has_nothing_to_validate(tmp_path: Path, mirrored: Path) -> None:
    with pytest.raises(RunFolderError, match="is not the folder of a finished run"):
        validate(tmp_path, str(mirrored))
    assert not (tmp_path / ".lock").exists()


def test_check_knows_the_files(copied: Path, mirrored: Path) -> None:
    validate(copied, str(mirrored))
    states = {state.file: state.state for state in check(copied)}
    assert states["fingerprints.json"] == states["validation-mirrored.json"] == "whole"
    assert states["validation-mirrored.html"] == "not checked"
    for name in ("fingerprints.json", "validation-mirrored.json"):
        content = content_of(copied, name)
        del content["content_sha256"]
        (copied / name).write_text(json.dumps(content | {"version": 9, "images": "many"}))
    states = {state.file: state.state for state in check(copied)}
    assert states["fingerprints.json"] == states["validation-mirrored.json"] == "damaged"


def test_the_report_is_built_anew_with_the_pages_of_all_validations(
    folder: Path, mirrored: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("validation-*")))
    pages = [validate(folder, str(mirrored), ValidateConfig(name=name)).page for name in ("one", "two")]
    written = [page.read_bytes() for page in pages]
    pages[0].unlink()
    pages[1].write_text("an older page")
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.output.split() == [str(folder / "report.html"), *map(str, pages)]
    assert [page.read_bytes() for page in pages] == written
    stored = pages[0].with_suffix(".json")
    stored.write_text(stored.read_text().replace('"images": 60', '"images": 61'))
    damaged = CliRunner().invoke(app, ["report", str(folder)])
    assert damaged.exit_code == 1
    assert f"{stored} can't be trusted" in damaged.output
    assert "Traceback" not in damaged.output


def test_another_threshold_is_not_the_files_own(folder: Path, mirrored: Path) -> None:
    done = validate(folder, str(mirrored), ValidateConfig(threshold=0.999, name="high"))
    assert done.validation.full.rule.thresholds == (0.999,)
    assert done.validation.full.rates["specificity"].value == 1.0
    assert "Both at a threshold of 0.999, which isn&#39;t their own." in done.page.read_text()


def test_images_of_one_class_have_the_figures_of_that_class(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "ones", "1", digits(1)[:SHOWN, :, ::-1])
    done = validate(folder, str(tmp_path / "ones"))
    found = done.validation
    assert (found.images, found.counts, found.power) == (SHOWN, {"0": 0, "1": SHOWN}, None)
    for file in found.files.values():
        figures = {**file.metrics, **file.rates}
        undefined = {name for name, figure in figures.items() if not figure.is_defined}
        assert undefined == {"auprc", "auroc", "balanced_accuracy", "f1", "specificity", "ppv", "npv"}
        (counts,) = file.outcomes.values()
        assert figures["sensitivity"].value == counts.true_positives / SHOWN
        assert figures["sensitivity"].has_interval
        assert file.probabilities is not None
        assert file.probabilities.log_loss.is_defined
    assert not any(claim.non_inferior or claim.worse for claim in found.claims)
    assert prevalence_words(found) == ""
    page = done.page.read_text()
    assert "can&#39;t be compared with the whole network: AUPRC is undefined, for all are 1." in page
    assert "nan" not in page.split("</style>")[1]
    assert typed.read(Validation, done.json).counts == found.counts


def test_masks_are_validated_by_their_overlap(segmented: Path, tmp_path: Path) -> None:
    folder, data = Path(shutil.copytree(segmented, tmp_path / "run")), squares(tmp_path / "more", n=24)
    with pytest.raises(DataError, match="15 of 24 images"):
        validate(folder, str(data))
    found = validate(folder, str(data), ValidateConfig(drop_seen=True)).validation
    assert (found.images, found.dropped, found.metric, found.distance_unit) == (9, 15, "dice", "px")
    assert {"dice", "hd95"} <= found.full.metrics.keys()
    assert (found.full.rates, found.decision) == ({}, None)
    with pytest.raises(UsageError, match="--prevalence is of one finding"):
        validate(folder, str(data), ValidateConfig(prevalence=0.1))


def test_the_probabilities_of_masks_are_validated_pixel_by_pixel(segmented: Path, tmp_path: Path) -> None:
    folder, data = Path(shutil.copytree(segmented, tmp_path / "run")), squares(tmp_path / "more", n=24)
    done = validate(folder, str(data), ValidateConfig(drop_seen=True))
    of = done.validation.full.probabilities
    assert of
    unseen = sorted((data / "images").iterdir())[15:]
    drawn = OnnxModel(folder / "full.onnx").maps([np.asarray(Image.open(path))[None] for path in unseen])
    losses, gaps = [], []
    for path, (_, foreground) in zip(unseen, drawn, strict=True):
        truth = np.asarray(Image.open(data / "masks" / path.name)) > 0
        losses.append(-np.log(np.where(truth, foreground, 1 - foreground)).mean())
        gaps.append(foreground.mean() - truth.mean())
    assert of.log_loss.value == pytest.approx(np.mean(losses), rel=1e-4)
    assert set(of.bias) == {"foreground"}
    assert of.bias["foreground"].value == pytest.approx(np.mean(gaps), abs=1e-5)
    assert of.bias["foreground"].holds(np.mean(gaps))
    assert of.expected_error.has_interval
    assert of.calibration_error.has_interval
    page = done.page.read_text()
    assert "means over the labelled pixels of an image, then over images" in page
    assert "Calibration in the large, foreground" in page
    assert typed.read(Validation, done.json) == done.validation


def labelled(folder: Path, n: int, seed: int, first: int) -> Path:
    """Images of two labels, three a patient, every fourth patient from the north."""
    rng, rows = np.random.default_rng(seed), ["image,patient,dark,light,site"]
    folder.mkdir()
    for i in range(n):
        level = int(rng.integers(0, 200))
        Image.fromarray((rng.integers(0, 55, (32, 32)) + level).astype(np.uint8)).save(folder / f"{i}.png")
        rows.append(
            f"{i}.png,P{first + i // 3},{int(level < 100)},{'' if i % 7 == 0 else int(level > 60)}"
            f",{'north' if i // 3 % 4 == 0 else 'south'}"
        )
    (folder / "set.csv").write_text("\n".join(rows))
    return folder / "set.csv"


def test_several_labels_are_decided_on_per_patient(tmp_path: Path) -> None:
    data = labelled(tmp_path / "own", 90, 0, 0)
    asked = {"label_columns": ("dark", "light"), "min_point": "layer4.0", "decide_per": "patient"}
    folder = run(tiny(tmp_path / "run", data=str(data), **asked)).folder
    labels = ValidateConfig(label_columns=("dark", "light"))
    other = labelled(tmp_path / "other", 63, 1, 28)
    with pytest.raises(DataError, match=r"2 groups \(patients\) by name.*where other patients have the same names"):
        validate(folder, str(other), labels)
    some = labels.model_copy(update={"drop_seen": True, "subgroup_columns": ("site",)})
    done = validate(folder, str(other), some)
    found = done.validation
    assert (found.images, found.dropped, found.patients, found.per) == (57, 6, 19, "patient")
    assert {name: sum(vars(each).values()) for name, each in found.full.outcomes.items()}["dark"] == 19
    assert {(group.value, group.units, group.too_few) for group in found.subgroups} == {
        ("north", 5, True),
        ("south", 14, True),
    }
    assert "too few to say" in done.page.read_text()
    others = labels.model_copy(update={"other_patients": True, "name": "others"})
    assert validate(folder, str(other), others).validation.patients == 21
    text = other.read_text().replace("patient", "nobody")
    other.write_text(text)
    with pytest.raises(DataError, match="The model decides per patient, and set doesn't say whose each image is"):
        validate(folder, str(other), labels)


def test_the_command_prints_the_figures_or_json(folder: Path, mirrored: Path) -> None:
    done = CliRunner().invoke(app, ["validate", str(folder), str(mirrored)])
    assert done.exit_code == 0, done.output
    for words in ("model.onnx", "full.onnx", "Sensitivity", "false alarms", "Prevalence: 1 50% of the images here"):
        assert words in done.output
    as_json = CliRunner().invoke(app, ["validate", str(folder), str(mirrored), "--json"])
    assert json.loads(as_json.stdout)["images"] == 60
    save(mirrored, "1", digits(1)[:4], first=500)
    refused = CliRunner().invoke(app, ["validate", str(folder), str(mirrored)])
    assert refused.exit_code == 1
    assert "4 of 64 images" in refused.output
