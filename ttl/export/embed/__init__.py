"""Files that take decoded images: the training pipeline as part of the graph, and whether it is the same."""

from ttl.export.embed.check import GREY_TOLERANCE, PROBABILITY_TOLERANCE, PreprocessingParity, check_preprocessing
from ttl.export.embed.preprocessing import PIXELS, PROBABILITIES, embed_preprocessing, pixels_of

__all__ = [
    "GREY_TOLERANCE",
    "PIXELS",
    "PROBABILITIES",
    "PROBABILITY_TOLERANCE",
    "PreprocessingParity",
    "check_preprocessing",
    "embed_preprocessing",
    "pixels_of",
]
