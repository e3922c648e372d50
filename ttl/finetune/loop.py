"""The training loop: phases of a recipe, one after another, with validation every epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl.data import AUGMENTATIONS
from ttl.errors import TrainingError, TTLError, UsageError
from ttl.finetune.inference import normalised, predict
from ttl.finetune.objective import Objective, balanced_weights, log_loss, sample_weights
from ttl.finetune.recipes import Phase, Recipe
from ttl.finetune.trainable import batch_norms, bn_momentum, select, train_mode
from ttl.head import HEAD
from ttl.stats import metrics

Row = dict[str, Any]


@dataclass(frozen=True)
class Images:
    """A decoded split: pixels `(n, 1 or 3, h, w)` uint8, labels `(n,)` int64, or `(n, classes)` of 0, 1 and -1."""

    pixels: torch.Tensor
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """How a fine-tune went; the model itself has the weights of the best epoch."""

    curve: tuple[Row, ...]
    """A row an epoch: epoch, phase, lr, train_loss, val_loss, val_auprc, val_auroc, val_accuracy, seconds."""
    best_epoch: int
    epochs: int
    seconds: float
    trainable: dict[str, int]
    """Phase -> number of trainable parameters."""
    notes: tuple[str, ...] = ()


def fit(
    model: nn.Module,
    train: Images,
    val: Images,
    recipe: Recipe,
    *,
    kind: str,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int = 0,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    frozen: Collection[str] = (),
    balance: str = "none",
    device: str = "cpu",
    on_epoch: Callable[[Row], None] | None = None,
) -> Fit:
    """Fine-tune `model` in place; it ends in eval mode with the weights of its best validation epoch.

    The same seed gives the same weights, bit for bit, on the CPU; the caller's random state is left alone.

    Args:
        model: as `ttl.truncate` made it: its head is the submodule `ttl_head`.
        train: what is learned from.
        val: what decides the schedule and which epoch is kept.
        recipe: how.
        kind: `binary`, `multiclass` or `multilabel`.
        mean: of the input's channels, for pixels in 0..1.
        std: likewise.
        seed: of the order, the augmentation and dropout.
        epochs: at most so many in all phases together, of which the last has at least half; None leaves it to
            the recipe's stop rule.
        batch_size: images a step; the recipe's by default.
        lr: the learning rate of the last phase; the recipe's by default.
        frozen: names of the parameters and buffers below the freeze point, for recipes that have one.
        balance: of classes: `none`, `loss` (rare ones count more) or `sampler` (rare ones are shown more often).
        device: where to compute.
        on_epoch: is given each row of the curve.

    Raises:
        TrainingError: the loss is no number, memory ran out, or the device isn't there.
        UsageError: batch norms can't train on so few images at a time.
    """
    _check_device(device)
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(seed)
            model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            run = _Run(
                model, train, val, recipe, kind, tuple(mean), tuple(std), seed, device, frozenset(frozen), balance
            )
            run.batch_size = min(batch_size or recipe.batch_size, len(train.labels))
            return run.all(epochs, lr, on_epoch)
    except (RuntimeError, ValueError) as error:
        known = _known_failure(error, batch_size or recipe.batch_size, device)
        if known is None:
            raise
        raise known from error


def _known_failure(error: Exception, batch_size: int, device: str) -> TTLError | None:
    """What torch's error means to a user; None where it is none of theirs. Only CUDA has a class for memory."""
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return TrainingError(
            f"There is too little memory on {device} for {batch_size} images at a time: "
            "lower --batch-size or --image-size"
        )
    if "Expected more than 1 value per channel" in str(error):
        return UsageError(
            f"--batch-size is {batch_size}, and batch norms can't train on one image of this size at a time: "
            "use at least 2, or --recipe bn"
        )
    return None


def _share(cap: int | None, is_last: bool) -> int | None:
    """The epochs after which a phase ends, of a run that may have `cap`: half are left to the last phase."""
    return cap if cap is None or is_last else max(1, cap // 2)


def _check_device(device: str) -> None:
    wanted = torch.device(device)
    no_cuda = wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count()
    if no_cuda or (wanted.type == "mps" and not torch.backends.mps.is_available()):
        raise TrainingError(f"There is no device {device} here: use --device cpu")


@dataclass
class _Best:
    """The best epoch so far and the state it had."""

    score: float = float("-inf")
    epoch: int = 0
    state: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass
class _Run:
    model: nn.Module
    train: Images
    val: Images
    recipe: Recipe
    kind: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    device: str
    frozen: frozenset[str]
    balance: str
    batch_size: int = 1
    curve: list[Row] = field(default_factory=list)
    best: _Best = field(default_factory=_Best)
    notes: list[str] = field(default_factory=list)

    def all(self, cap: int | None, lr: float | None, on_epoch: Callable[[Row], None] | None) -> Fit:
        start = perf_counter()
        self.generator = torch.Generator().manual_seed(self.seed)
        self.augment = AUGMENTATIONS[self.recipe.augment]
        labels = np.asarray(self.train.labels, dtype=np.int64)
        self.labels = torch.from_numpy(labels).to(self.device)
        classes = list(self.model.get_submodule(HEAD).parameters())[-1].shape[0]
        self.objective = Objective(self.kind)
        self.draw: torch.Tensor | None = None
        if self.balance == "loss":
            weights = torch.from_numpy(balanced_weights(self.kind, labels, classes)).float().to(self.device)
            self.objective = Objective(self.kind, weights)
        elif self.balance == "sampler":
            self.draw = torch.from_numpy(sample_weights(self.kind, labels, classes))
        trainable = {}
        for phase in self.recipe.phases:
            if self.best.epoch != len(self.curve):
                self._restore()
            parameters = select(self.model, phase, self.frozen)
            trainable[phase.name] = sum(p.numel() for p in parameters)
            is_last = phase is self.recipe.phases[-1]
            rate = lr if lr is not None and is_last else phase.lr
            if cap is not None and len(self.curve) >= cap:
                self.notes.append(f"Phase {phase.name} never began: --epochs {cap} was spent before it")
            if "bn" in phase.train and not batch_norms(self.model):
                self.notes.append(f"This network has no batch norms: phase {phase.name} trains the head alone")
            with bn_momentum(self.model, phase.bn_momentum):
                self._phase(phase, parameters, rate, _share(cap, is_last), on_epoch)
        self._restore()
        self.model.eval()
        notes = tuple(dict.fromkeys(self.notes))
        return Fit(tuple(self.curve), self.best.epoch, len(self.curve), perf_counter() - start, trainable, notes)

    def _restore(self) -> None:
        """The weights of the best epoch so far."""
        self.model.load_state_dict({**self.model.state_dict(), **self.best.state})

    def _phase(
        self,
        phase: Phase,
        parameters: list[nn.Parameter],
        lr: float,
        cap: int | None,
        on_epoch: Callable[[Row], None] | None,
    ) -> None:
        optimizer = torch.optim.Adam(parameters, lr=lr)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=phase.factor,
            patience=phase.patience,
            threshold=phase.min_delta,
            threshold_mode="abs",
            min_lr=phase.lr_floor,
        )
        done = 0
        best, since_best = float("-inf"), 0
        while (cap is None or len(self.curve) < cap) and (phase.epochs is None or done < phase.epochs):
            rate = optimizer.param_groups[0]["lr"]
            if rate < phase.min_lr:
                break
            row = self._epoch(phase, optimizer, rate)
            score = self._score(row)
            if score > self.best.score:
                state = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
                self.best = _Best(score, len(self.curve), state)
            plateau.step(score)
            done += 1
            best, since_best = (score, 0) if score > best else (best, since_best + 1)
            if on_epoch is not None:
                on_epoch(row)
            if phase.stop_after is not None and since_best >= phase.stop_after:
                break

    def _epoch(self, phase: Phase, optimizer: torch.optim.Optimizer, lr: float) -> Row:
        start = perf_counter()
        train_mode(self.model, phase, self.frozen)
        total = torch.zeros((), device=self.device)
        for batch in self._batches():
            optimizer.zero_grad(set_to_none=True)
            # Grey images are augmented as one channel; normalising repeats them to three.
            pixels = self.augment(self.train.pixels[batch].to(self.device).float(), self.generator)
            images = normalised(pixels, self.mean, self.std)
            loss = self.objective.loss(self.model(images), self.labels[batch.to(self.device)])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(batch)
        mean_loss = float(total) / len(self.labels)
        self._check("training", mean_loss, lr)
        row: Row = {
            "epoch": len(self.curve) + 1,
            "phase": phase.name,
            "lr": lr,
            "train_loss": mean_loss,
            **self._validation(lr),
        }
        row["seconds"] = perf_counter() - start
        self.curve.append(row)
        return row

    def _batches(self) -> Iterator[torch.Tensor]:
        """Indices in a random order; a last batch of one joins the one before: BN can't train on one image."""
        if self.draw is None:
            order = torch.randperm(len(self.labels), generator=self.generator)
        else:
            order = torch.multinomial(self.draw, len(self.labels), replacement=True, generator=self.generator)
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return iter(batches)

    def _validation(self, lr: float) -> Row:
        probabilities = predict(
            self.model, self.val.pixels, kind=self.kind, mean=self.mean, std=self.std, device=self.device
        )
        loss = log_loss(self.kind, self.val.labels, probabilities)
        # An epoch's last step can break the weights: its training loss was computed before.
        self._check("validation", loss, lr)
        return {"val_loss": loss} | {
            f"val_{name}": value for name, value in metrics(self.kind, self.val.labels, probabilities).items()
        }

    def _check(self, which: str, loss: float, lr: float) -> None:
        if not isfinite(loss):
            raise TrainingError(
                f"The {which} loss is {loss} in epoch {len(self.curve) + 1} "
                f"({self.recipe.name}, learning rate {lr:g}): lower --lr, or look for images that are blank"
            )

    def _score(self, row: Row) -> float:
        if self.recipe.monitor == "loss":
            return -float(row["val_loss"])
        score = float(row[f"val_{self.recipe.monitor}"])
        if isnan(score):
            self.notes.append(
                f"Validation {self.recipe.monitor.upper()} is undefined (a class is absent): "
                "the validation loss decided"
            )
            return -float(row["val_loss"])
        return score
