"""The page of a validation: verdict, figures and style sheet in one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

from ttl import typed
from ttl.files import write_text
from ttl.report.cells import Cell, amount, estimate_cell
from ttl.report.page import environment
from ttl.report.page_blocks import Block, Facts, Listing, Prose, Section, Table, row
from ttl.report.schema.validation import PREFIX, ValidatedFile, Validation
from ttl.report.sections.groups_of_images import groups_section
from ttl.report.validation_words import METRICS, POINT, PROBABILITIES, Lines, lines_of, prevalence_words, verdict_of
from ttl.words import units

OUTCOMES = ("positive, found", "positive, missed", "negative, called positive", "negative, left alone")
ANCHORS = {METRICS: "metrics", POINT: "point", PROBABILITIES: "trust"}


def write_validation(run_folder: Path, of: Validation) -> Path:
    """Build the page beside its JSON file in a run folder, and give its path.

    Raises:
        OSError: it can't be written.
    """
    path = run_folder / f"{PREFIX}{of.name}.html"
    write_text(path, render_validation(of))
    return path


def write_validations(run_folder: Path) -> tuple[Path, ...]:
    """Build the page of every validation in a run folder anew, and give their paths in the order of their names.

    Raises:
        RunFolderError: a validation's JSON file is damaged, or was written by another version.
        OSError: a page can't be written.
    """
    found = (typed.read(Validation, path) for path in sorted(run_folder.glob(f"{PREFIX}*.json")))
    return tuple(write_validation(run_folder, of) for of in found if of is not None)


def render_validation(of: Validation) -> str:
    """A validation as one HTML document with its style sheet inside."""
    groups = [_subgroups(of)] if of.subgroups else []
    sections = [*_figures(of), *groups, _data(of), _files(of)]
    return environment().get_template("validation.html").render(of=of, verdict=verdict_of(of), sections=sections)


def _columns(of: Validation) -> tuple[str, ...]:
    return ("Cut", "Whole network") if of.chosen else ("Whole network",)


def _figures(of: Validation) -> list[Section]:
    sections = []
    for part in lines_of(of):
        rows = []
        for line in part.lines:
            cut = () if of.chosen is None else (estimate_cell(line.cut, line.metric),)
            rows.append(row(Cell(line.name, line.note), *cut, estimate_cell(line.whole, line.metric)))
        most_probable = "; in accuracy and the like the most probable class decides" if _by_class(of, part) else ""
        of_pixels = "; means over the labelled pixels of an image, then over images" if _by_pixel(of, part) else ""
        caption = f"Smaller figures are 95% intervals; {_judged(of)}{most_probable}{of_pixels}."
        table = Table(caption, ("", *_columns(of)), tuple(rows))
        more = _decisions(of) if part.title == POINT else []
        sections.append(Section(ANCHORS[part.title], part.title, (table, *more)))
    confusions = [_confusion(of, words, file) for words, file in _named(of) if file.confusion is not None]
    return [*sections, Section("errors", "What is taken for what", tuple(confusions))] if confusions else sections


def _by_class(of: Validation, part: Lines) -> bool:
    return part.title == METRICS and not of.kind.per_pixel


def _by_pixel(of: Validation, part: Lines) -> bool:
    return part.title == PROBABILITIES and of.kind.per_pixel


def _judged(of: Validation) -> str:
    images = f"of {units.whole(of.images)} images"
    patients = "" if of.patients is None else f" of {units.whole(of.patients)} patients"
    return f"{images}{patients}, a row a patient" if of.per == "patient" else f"{images}{patients}"


def _named(of: Validation) -> list[tuple[str, ValidatedFile]]:
    return list(zip(_columns(of), of.files.values(), strict=True))


def _decisions(of: Validation) -> list[Block]:
    """By which rule each file decides, and its decisions counted."""
    rows = []
    for words, file in _named(of):
        for name, each in file.outcomes.items():
            rows.append(row(words, name, *(amount(count) for count in vars(each).values())))
    unit = "patients" if of.per == "patient" else "images"
    rules = tuple(f"{words}: {file.decides}" for words, file in _named(of))
    counts = Table(f"Decisions, in {unit}.", ("", "Finding", *OUTCOMES), tuple(rows), n_text=2)
    return [counts, Prose(prevalence_words(of)), Listing(rules)]


def _confusion(of: Validation, words: str, file: ValidatedFile) -> Table:
    columns = ("Is", *(f"called {name}" for name in of.class_names))
    lines = zip(of.class_names, file.confusion or (), strict=True)
    rows = tuple(row(name, *(amount(count) for count in counts)) for name, counts in lines)
    return Table(f"{words}: what it is (rows) and what is said (columns).", columns, rows)


def _subgroups(of: Validation) -> Section:
    words = [name.lower() for name in _columns(of)]
    return groups_section(of.subgroups, of.measure(of.metric), words, "Patients" if of.per == "patient" else "Images")


def _data(of: Validation) -> Section:
    """Images of each class here and in training."""

    def cell(count: int, total: int) -> Cell:
        share = units.share(count, total)
        return Cell(units.whole(count), units.percent(share), count, parts=(("share", share),))

    rows = []
    for name in of.class_names:
        rows.append(row(name, cell(of.counts[name], of.images), cell(of.train_counts[name], of.train_images)))
    table = Table("Images with each class, and their share.", ("", "Here", "Trained on"), tuple(rows))
    facts = (
        ("Data", Cell(of.data)),
        ("Images", amount(of.images)),
        ("Patients", Cell("unknown") if of.patients is None else amount(of.patients)),
        ("Fingerprint (SHA-256)", Cell(of.fingerprint)),
    )
    return Section("data", f"The data: {of.data_name}", (table, Listing(of.notes), Facts(facts)))


def _files(of: Validation) -> Section:
    rows = [row(words, file.file, file.cut, file.trial, file.sha256[:16]) for words, file in _named(of)]
    table = Table(
        f"Of the run {of.run}; validated with ttl {of.ttl}, {of.at}.",
        ("", "File", "Cut at", "Fine-tune", "SHA-256 begins with"),
        tuple(rows),
        n_text=5,
    )
    return Section("files", "The files", (table,))
