"""Files that take decoded images: the training pipeline as part of the graph, and whether it is the same."""

from ttl.export.embed.preprocessing import embed_preprocessing

__all__ = ["embed_preprocessing"]
