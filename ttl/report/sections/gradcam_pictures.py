"""Where the networks look: Grad-CAM of some test images."""

from __future__ import annotations

from pathlib import Path

from ttl.data.modality.heat import STEPS, heat_colour
from ttl.deliver.pictures.cases import CamCase, Which
from ttl.report.inline_png import inlined
from ttl.report.page_blocks import MISSING, Case, Cell, Gallery, Picture, Prose, Section, Table, amount, row
from ttl.report.schema import RunReport
from ttl.report.wording import networks
from ttl.words import units

RULE_OF_WHOLE = (
    "Test images that the network got right and wrong: of each the four of which it is surest, of different classes as "
    "far as there are."
)
RULE = (
    "Test images in four groups, by which of the two networks is right: of each group the two of which the truncated "
    "network is surest, of different classes where there are. A group without images is left out."
)
MEANING = (
    "Grad-CAM (Selvaraju et al. 2017): the places whose features raise the score of the class that is named below the "
    "picture, as shares of the strongest place of that picture. It does not show whether the network is right, how sure "
    "it is, or what it sees in that place, and strengths of two pictures can't be compared."
)


def gradcam_pictures(report: RunReport, folder: Path | None) -> Section | None:
    """Cases as rows of pictures; in words why there are none, and nothing where nobody tried to draw them."""
    cams, title = report.cams, "Where the network looks" if report.keeps_whole else "Where the networks look"
    if cams is not None and cams.missing:
        return Section("cams", title, (Prose(f"There are no maps (Grad-CAM): {cams.missing}."),))
    if cams is None or not cams.cases:
        return None
    key = tuple((heat_colour(share), f"{units.percent(share)} of the strongest") for share in STEPS)
    cases = tuple(_case(report, case, folder) for case in cams.cases)
    caption = f"{MEANING} {_places(report, cams.cases[0])}"
    gallery = Gallery(cases, caption, key, _table(report, cams.cases))
    return Section("cams", title, (Prose(RULE_OF_WHOLE if report.keeps_whole else RULE), gallery))


def _places(report: RunReport, case: CamCase) -> str:
    """How fine the maps are."""
    sizes = {
        words: " × ".join(map(units.whole, case.map_size[network]))  # noqa: RUF001
        for network, words in networks(report).items()
        if network in case.map_size
    }
    places = ", ".join(f"{words} {size}" for words, size in sizes.items())
    if len(set(sizes.values())) > 1:
        return f"Maps of a lower cut are finer, because its feature map has more places ({places})."
    return f"Places of the map: {places}."


def _case(report: RunReport, case: CamCase, folder: Path | None) -> Case:
    pictures = {"image": Picture(f"image: {case.truth}", f"The image {case.id}: {case.truth}.")}
    pictures |= {network: _map(case, network, words) for network, words in networks(report).items()}
    inside = (inlined(folder, case.files.get(key), picture) for key, picture in pictures.items())
    return Case(case.id, case.why, tuple(inside))


def _map(case: CamCase, network: Which, words: str) -> Picture:
    answer = case.says.get(network)
    if answer is None:
        return Picture(words, f"{case.id} in the {words}")
    note = f"says {answer.name}, {units.percent(answer.probability)}, {'right' if answer.right else 'wrong'}"
    alt = f"What speaks for {case.map_of.get(network, answer.name)} in {case.id} in the {words}, which {note}."
    return Picture(words, alt, note=note)


def _table(report: RunReport, cases: tuple[CamCase, ...]) -> Table:
    shown = networks(report)
    answers = ((case, [cell for network in shown for cell in _answer(case, network)]) for case in cases)
    rows = tuple(row(case.id, case.why, case.truth, *cells) for case, cells in answers)
    names = (name for words in shown.values() for name in (f"{words} says", "its probability"))
    columns = ("Image", "Why it is shown", "Is", *names)
    return Table("What is said of these images", columns, rows, n_text=3, folded=True)


def _answer(case: CamCase, network: Which) -> tuple[Cell, Cell]:
    answer = case.says.get(network)
    return (Cell(answer.name), amount(answer.probability, units.percent)) if answer else (MISSING, MISSING)
