"""What can be fine-tuned and chosen: the noun that search, study and report share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # engines, which know nothing of networks, import this file
    from torch import nn

    from ttl.cut.head import HeadSpec
    from ttl.cut.network import Network
    from ttl.cut.points import TruncationPoint
    from ttl.data import Task
    from ttl.data.decoded import TrainingImages
    from ttl.data.kind import Rows
    from ttl.words.estimate import Estimate

Definition = Mapping[str, object]  # JSON values that tell one thing from another of its sort
Images: TypeAlias = "Callable[[], TrainingImages]"  # decodes the training images
Norms: TypeAlias = "Callable[[nn.Module], AbstractContextManager[None]]"
"""Has the norms of a network in eval mode behave, meanwhile, as while its head learns."""


@dataclass(frozen=True)
class Costs:
    """Params, and multiply-adds of one image, head excluded; of a U-Net also the encoder's own part."""

    params: int
    macs: int
    encoder_params: int | None = None
    encoder_macs: int | None = None


@dataclass(frozen=True)
class Figures:
    """How good a fine-tuned candidate is."""

    val: Mapping[str, Estimate]  # metric -> value, with its interval where the candidate can be chosen
    heads: tuple[str, ...] = ()  # names of its heads, where it has several


@dataclass(frozen=True, match_args=False)
class Candidate(Protocol):
    """A network that can be made of a pretrained one; to add a kind: a frozen dataclass that inherits this.

    Plain data: it travels to worker processes, so it names its network and doesn't hold it.
    """

    network: str  # name of the pretrained network that it is made of

    @property
    def name(self) -> str:
        """What it is called, in tables and sentences."""

    @property
    def top(self) -> TruncationPoint:
        """Up to where it keeps the pretrained network."""

    @property
    def costs(self) -> Costs:
        """What it costs."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        return ()

    @property
    def can_be_chosen(self) -> bool:
        """Whether it can be delivered; else it is fine-tuned only to see something."""
        return True

    def definition(self) -> Definition:
        """What tells it from the other candidates of a study, for the names of trials."""

    def epochs(self, cap: int | None) -> int | None:
        """At most so many, of a fine-tune that may have `cap`; None leaves it to the recipe's stop rule."""
        return cap

    def build(self, network: Network, head: HeadSpec, seed: int) -> nn.Module:
        """The network as its fine-tune begins, on the CPU; the seed is of what begins at random."""
        return self.build_on(network.seeded(seed), head, seed)

    def build_on(self, backbone: nn.Module, head: HeadSpec, seed: int = 0) -> nn.Module:
        """The same made of a pretrained network that is there already, which is left as it is."""

    def begin(
        self, model: nn.Module, network: Network, head: HeadSpec, seed: int, images: Images, norms: Norms
    ) -> None:
        """Make `model`, as `build` made it of the same network, head and seed, ready for its first epoch, in place.

        Most are ready, and ask for no `images`; `norms` is the recipe's.
        """
        return

    def take_over(self, model: nn.Module, state: Mapping[str, object], start: Candidate) -> None:
        """Give `model`, as `build` made it, the `state` (tensors by name) that the fine-tune of `start` left.

        Raises:
            KeyError: a tensor isn't there.
            RuntimeError: one has another shape.
        """
        raise TypeError(f"{type(self).__name__} goes on from no other candidate, and not from {type(start).__name__}")

    def figures(self, task: Task, rows: Rows, *, seed: int) -> Figures:
        """How good its predictions of the validation images are; the seed is that of `ttl.stats.intervals`."""
