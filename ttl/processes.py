"""Which of several processes this one is, as `accelerate launch` and torchrun tell it: by the environment."""

from __future__ import annotations

import os


def count() -> int:
    """How many processes work on this together; 1 where nothing launched several."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the one that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0
