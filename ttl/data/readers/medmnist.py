"""The classes of the MedMNIST sets, found by the names of their files, as the sets' authors publish them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class MedMnistSet:
    """One of the sets."""

    class_names: tuple[str, ...]
    ordinal: bool = False  # whether they are grades


ORGANS = MedMnistSet(
    (
        "bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver", "lung-left",
        "lung-right", "pancreas", "spleen",
    )
)  # fmt: skip
SETS = {
    "path": MedMnistSet(
        (
            "adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa",
            "cancer-associated stroma", "colorectal adenocarcinoma epithelium",
        )
    ),
    "chest": MedMnistSet(
        (
            "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
            "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia",
        )
    ),
    "derma": MedMnistSet(
        (
            "actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma", "benign keratosis-like lesions",
            "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions",
        )
    ),
    "oct": MedMnistSet(("choroidal neovascularization", "diabetic macular edema", "drusen", "normal")),
    "pneumonia": MedMnistSet(("normal", "pneumonia")),
    "retina": MedMnistSet(("0", "1", "2", "3", "4"), ordinal=True),
    "breast": MedMnistSet(("malignant", "normal, benign")),
    "blood": MedMnistSet(
        (
            "basophil", "eosinophil", "erythroblast",
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)", "lymphocyte", "monocyte",
            "neutrophil", "platelet",
        )
    ),
    "tissue": MedMnistSet(
        (
            "Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells",
            "Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments",
            "Thick Ascending Limb",
        )
    ),
    "organa": ORGANS,
    "organc": ORGANS,
    "organs": ORGANS,
}  # fmt: skip
"""By what stands before `mnist` in the file's name. Source: `INFO` of the package medmnist, 2.1."""
FILE = re.compile(r"([a-z]+)mnist(_[0-9]+)?")


def medmnist_set(stem: str, classes: int) -> MedMnistSet | None:
    """The set that a file's name says, if it has so many classes; `pneumoniamnist_224` is that of larger images."""
    named = FILE.fullmatch(stem.lower())
    of = SETS.get(named[1]) if named else None
    return of if of is not None and len(of.class_names) == classes else None
