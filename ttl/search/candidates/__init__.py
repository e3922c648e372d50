"""The kinds of candidates, one a file: what of a pretrained network can be fine-tuned and chosen.

To add one: a frozen dataclass that is a `ttl.study.candidate.Candidate`.
"""

from ttl.search.candidates.cut import Cut
from ttl.search.candidates.joint import Joint

__all__ = ["Cut", "Joint"]
