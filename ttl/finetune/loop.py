"""The training loop: phases of a recipe, one after another, with validation every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite, isnan
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ttl import processes
from ttl.data import Kind, augmentation
from ttl.data.decoded import Split
from ttl.data.modality.normalise import Normalise
from ttl.errors import TrainingError, TTLError, UsageError
from ttl.finetune.accelerated import accelerator, joined, resolve_device, share_buffers, together
from ttl.finetune.feed import Batch, Feed
from ttl.finetune.recipes import Phase, Recipe
from ttl.finetune.resume import Checkpoint
from ttl.finetune.trainable import batch_norms, bn_momentum, head_parameters, select, train_mode
from ttl.stats import metrics

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a fine-tune is told beside its recipe.

    Attributes:
        kind: of the task.
        mean: of the input's channels, for pixels in 0..1.
        std: likewise.
        seed: of the order, the augmentation and dropout.
        epochs: at most so many in all phases together, of which the last has at least half; None leaves it to
            the recipe's stop rule.
        batch_size: images a step, all processes together; the recipe's by default.
        accumulate: parts that each batch is computed in, one after another, to need less memory. The step is the
            whole batch's; only batch norms in training mode see a part at a time.
        lr: the learning rate of the last phase; the recipe's by default.
        frozen: names of the parameters and buffers below the freeze point, for recipes that have one.
        balance: of classes: `none`, `loss` (rare ones count more) or `sampler` (rare ones are shown more often).
        amp: mixed precision while training: `no`, `bf16` or `fp16`. Validation computes in float32 always.
        device: where to compute.
        loss: by name, where the kind has several; None is its default.
        divisor: what the network needs the sides of its images to be multiples of.
        warm: the network was fine-tuned already: what it comes with is kept, as epoch 0, if no epoch is better.
    """

    kind: Kind
    mean: Sequence[float]
    std: Sequence[float]
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    accumulate: int = 1
    lr: float | None = None
    frozen: frozenset[str] = frozenset()
    balance: str = "none"
    amp: str = "no"
    device: str = "cpu"
    loss: str | None = None
    divisor: int = 1
    warm: bool = False


@dataclass(frozen=True)
class Fit:
    """How a fine-tune went; the model itself has the weights of the best epoch."""

    curve: tuple[Row, ...]
    """A row an epoch: epoch, phase, lr, train_loss, val_loss, `val_` and each headline metric of the kind of task,
    images_per_second (of training alone; of a segmentation, crops), seconds. Of a network with several heads, means
    over them, and `val_auprc_of_heads` (`val_dice_of_heads`)."""
    best_epoch: int
    epochs: int
    finished: bool
    """False if it was paused."""
    seconds: float
    trainable: dict[str, int]
    """Phase -> number of trainable parameters."""
    peak_memory_bytes: int | None
    """Most that tensors took on a CUDA device; None elsewhere."""
    notes: tuple[str, ...] = ()


def fit(
    model: nn.Module,
    train: Split,
    val: Split,
    recipe: Recipe,
    settings: Settings,
    *,
    on_epoch: Callable[[Row], None] | None = None,
    on_images: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
    pause_after: int | None = None,
) -> Fit:
    """Fine-tune `model` in place; it ends in eval mode with the weights of its best validation epoch.

    The same seed gives the same weights, bit for bit, on the CPU, whether it was stopped and continued or not; the
    caller's random state is left alone. Launched as several processes (torchrun, `accelerate launch`), each takes its
    share of every batch, and the result is that of one process to rounding, but for dropout, which each draws for
    itself, and batch norms in training mode, which see a share.

    Args:
        model: as `ttl.truncate` made it: its head is the submodule `ttl_head`; or with a head at every point.
        train: what is learned from.
        val: what decides the schedule and which epoch is kept.
        recipe: how.
        settings: what else decides the result, and where to compute.
        on_epoch: is given each row of the curve.
        on_images: is given, after each step, the training images shown in this epoch and how many there are.
        checkpoint: a file that keeps the state after each epoch; if it holds one of the same recipe and settings,
            the fine-tune goes on from there. Who needs it no more removes it.
        pause_after: return after so many epochs, counted from the first, with the state in the checkpoint.

    Raises:
        TrainingError: the loss is no number, memory ran out, or the device isn't there.
        UsageError: batch norms can't train on so few images at a time, or an option is no good.
        RunFolderError: the checkpoint can't be written.
    """
    device = settings.device
    resolve_device(device)
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=cuda):
            run = _Run(model, train, val, recipe, settings, on_epoch, on_images)
            return run.all(Checkpoint(checkpoint, run.identity()), pause_after)
    except (RuntimeError, ValueError) as error:
        known = _known_failure(error, settings.batch_size or recipe.batch_size, device)
        if known is None:
            raise
        raise known from error


def _known_failure(error: Exception, batch_size: int, device: str) -> TTLError | None:
    """What torch's error means to a user; None where it is none of theirs. Only CUDA has a class for memory."""
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return TrainingError(
            f"There is too little memory on {device} for {batch_size} images at a time: "
            "raise --accumulate, or lower --batch-size or --image-size"
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


@dataclass
class _Best:
    """The best epoch so far and the state it had."""

    score: float = float("-inf")
    epoch: int = 0
    state: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass
class _Stage:
    """How far the phase under way is: its number, its epochs, and what its stop rule remembers."""

    number: int = 0
    done: int = 0
    best: float = float("-inf")
    since_best: int = 0


class _Run:
    def __init__(
        self,
        model: nn.Module,
        train: Split,
        val: Split,
        recipe: Recipe,
        settings: Settings,
        on_epoch: Callable[[Row], None] | None,
        on_images: Callable[[int, int], None] | None,
    ) -> None:
        self.accelerator = accelerator(settings.device, settings.amp)
        self.rank, self.ranks = self.accelerator.process_index, self.accelerator.num_processes
        # Each process draws dropout for itself; what they share has a generator of its own.
        torch.manual_seed(settings.seed + self.rank)
        self.device = self.accelerator.device
        self.model = model.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.settings = recipe, settings
        self.on_epoch, self.on_images = on_epoch, on_images
        self.val = val
        self.normalise = Normalise(settings.mean, settings.std, self.device)
        self.generator = torch.Generator().manual_seed(settings.seed)
        classes = head_parameters(self.model)[-1].shape[0]
        objective = settings.kind.objective(
            train, loss=settings.loss, balance=settings.balance, outputs=classes, device=self.device
        )
        self.objective = objective.loss
        if len(val.labels) < self.ranks:
            raise UsageError(f"{self.ranks} processes share {len(val.labels)} validation images: launch fewer")
        self.feed = Feed(
            train,
            augmentation(recipe.augment),
            self.normalise,
            batch_size=settings.batch_size or recipe.batch_size,
            generator=self.generator,
            draw=objective.draws,
            parts=settings.accumulate,
            rank=self.rank,
            ranks=self.ranks,
        )
        self.curve: list[Row] = []
        self.best = _Best()
        self.stage = _Stage()
        self.notes: list[str] = []

    def identity(self) -> dict[str, Any]:
        """What a state on disk must have been written for."""
        told = {key: value for key, value in vars(self.settings).items() if key not in ("device", "frozen")}
        told |= {"mean": list(self.settings.mean), "std": list(self.settings.std)}
        told |= {"frozen": sorted(self.settings.frozen), "images": len(self.feed), "recipe": repr(self.recipe)}
        return told | {"shapes": {name: list(value.shape) for name, value in self.model.state_dict().items()}}

    def all(self, checkpoint: Checkpoint, pause_after: int | None) -> Fit:
        """Every phase, from the state on disk if there is one, up to the epoch to pause after."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        state = checkpoint.load()
        started_at = state["stage"]["number"] if state else 0
        if state is None and self.settings.warm:
            self.best = _Best(self._score(self._validation(lr=0.0)), 0, self._weights())
        trainable, finished = {}, True
        for number, phase in enumerate(self.recipe.phases):
            parameters = select(self.model, phase, self.settings.frozen)
            trainable[phase.name] = sum(p.numel() for p in parameters)
            if number < started_at or not finished:
                continue
            if state is None:
                self.stage = _Stage(number)
                self._restore_best()
            with bn_momentum(self.model, phase.bn_momentum):
                finished = self._phase(phase, parameters, checkpoint, state, pause_after)
            state = None
        self._restore_best()
        self.model.eval()
        on_cuda = self.device.type == "cuda"
        return Fit(
            curve=tuple(self.curve),
            best_epoch=self.best.epoch,
            epochs=len(self.curve),
            finished=finished,
            seconds=sum(row["seconds"] for row in self.curve),
            trainable=trainable,
            peak_memory_bytes=torch.cuda.max_memory_allocated(self.device) if on_cuda else None,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _weights(self) -> dict[str, torch.Tensor]:
        """A copy of the model's state."""
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _restore_best(self) -> None:
        """The weights of the best epoch so far, if that isn't the last one."""
        if self.best.epoch != len(self.curve):
            self.model.load_state_dict({**self.model.state_dict(), **self.best.state})

    def _phase(
        self,
        phase: Phase,
        parameters: list[nn.Parameter],
        checkpoint: Checkpoint,
        state: dict[str, Any] | None,
        pause_after: int | None,
    ) -> bool:
        """One phase, from the `state` within it if that is given; False if it was paused before its end."""
        is_last = phase is self.recipe.phases[-1]
        lr = self.settings.lr if self.settings.lr is not None and is_last else phase.lr
        cap = _share(self.settings.epochs, is_last)
        adam = torch.optim.Adam(parameters, lr=lr)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            adam,
            mode="max",
            factor=phase.factor,
            patience=phase.patience,
            threshold=phase.min_delta,
            threshold_mode="abs",
            min_lr=phase.lr_floor,
        )
        kept = {"optimizer": adam, "plateau": plateau, "scaler": self.accelerator.scaler}
        if state is not None:
            self._go_on(state, kept)
        else:
            self._remark(phase, cap)
        optimizer = self.accelerator.prepare_optimizer(adam)
        with together(self.accelerator, self.model) as model:
            while not self._is_over(phase, cap, adam.param_groups[0]["lr"]):
                if pause_after is not None and len(self.curve) >= pause_after:
                    return False
                row = self._epoch(phase, model, optimizer, adam.param_groups[0]["lr"])
                score = self._score(row)
                if score > self.best.score:
                    self.best = _Best(score, len(self.curve), self._weights())
                plateau.step(score)
                stage = self.stage
                stage.done += 1
                stage.best, stage.since_best = (score, 0) if score > stage.best else (stage.best, stage.since_best + 1)
                if processes.is_main():
                    checkpoint.save(self._state(kept), must=len(self.curve) == pause_after)
                if self.on_epoch is not None:
                    self.on_epoch(row)
        return True

    def _is_over(self, phase: Phase, cap: int | None, lr: float) -> bool:
        spent = cap is not None and len(self.curve) >= cap
        done = phase.epochs is not None and self.stage.done >= phase.epochs
        flat = phase.stop_after is not None and self.stage.since_best >= phase.stop_after
        return spent or done or flat or lr < phase.min_lr

    def _remark(self, phase: Phase, cap: int | None) -> None:
        """What a person should know of a phase before it begins."""
        if cap is not None and len(self.curve) >= cap:
            epochs = self.settings.epochs
            self.notes.append(f"Phase {phase.name} never began: --epochs {epochs} was spent before it")
        norms = batch_norms(self.model)
        if "bn" in phase.train and not norms:
            self.notes.append(f"This network has no batch norms: phase {phase.name} trains the head alone")
        parts = self.ranks * self.settings.accumulate
        if norms and phase.bn == "train" and parts > 1:
            self.notes.append(f"Batch norms that train saw each batch in {parts} parts, each with its own statistics")

    def _state(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """All that decides how it goes on, for the checkpoint."""
        on_cuda = self.device.type == "cuda"
        return {
            **{name: part.state_dict() for name, part in kept.items() if part is not None},
            "model": self.model.state_dict(),
            "best": vars(self.best) | {"state": {} if self.best.epoch == len(self.curve) else dict(self.best.state)},
            "stage": vars(self.stage),
            "curve": self.curve,
            "notes": self.notes,
            "generator": self.generator.get_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if on_cuda else None,
        }

    def _go_on(self, state: dict[str, Any], kept: Mapping[str, Any]) -> None:
        """Take up a checkpoint's state, in the phase that it was written in."""
        self.model.load_state_dict(state["model"])
        for name, part in kept.items():
            if part is not None:
                part.load_state_dict(state[name])
        best = state["best"]
        weights = {name: value.to(self.device).clone() for name, value in (best["state"] or state["model"]).items()}
        self.best = _Best(best["score"], best["epoch"], weights)
        self.stage = _Stage(**state["stage"])
        self.curve, self.notes = list(state["curve"]), list(state["notes"])
        self.generator.set_state(state["generator"])
        if self.rank == 0:  # the others' dropout is their own: no one kept how far it was
            torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda" and self.rank == 0:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)

    def _epoch(self, phase: Phase, model: nn.Module, optimizer: Any, lr: float) -> Row:
        start = perf_counter()
        train_mode(self.model, phase, self.settings.frozen)
        total = torch.zeros((), device=self.device)
        shown = 0
        for batch in self.feed:
            total += self._step(model, optimizer, batch) * len(batch.labels)
            shown += len(batch.labels)
            if self.on_images is not None:
                self.on_images(shown, len(self.feed))
        mean_loss = float(self.accelerator.reduce(total, "sum")) / len(self.feed)
        trained = perf_counter() - start
        self._check("training", mean_loss, lr)
        row: Row = {
            "epoch": len(self.curve) + 1,
            "phase": phase.name,
            "lr": lr,
            "train_loss": mean_loss,
            **self._validation(lr),
            "images_per_second": len(self.feed) / trained,
        }
        row["seconds"] = perf_counter() - start
        self.curve.append(row)
        return row

    def _step(self, model: nn.Module, optimizer: Any, batch: Batch) -> torch.Tensor:
        """One step of the optimiser; this process's share of the batch's mean loss, detached."""
        optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for number, part in enumerate(batch.parts, start=1):
            # Gradients are averaged over the processes once, with the last part.
            with self.accelerator.no_sync(model) if number < batch.size else nullcontext():
                with self.accelerator.autocast():
                    logits = model(part.inputs)
                loss = self.objective.loss(logits.float(), part.targets, batch.labels)
                # Each process has its share of the mean, and averaging divides by their number once more.
                self.accelerator.backward(loss * self.ranks if self.ranks > 1 else loss)
            total += loss.detach()
        optimizer.step()
        return total

    def _validation(self, lr: float) -> Row:
        share_buffers(self.accelerator, self.model)
        kind, labels = self.settings.kind, self.val.labels
        own = self.val.share(self.rank, self.ranks)
        rows = joined(kind.predict(self.model, own, self.normalise, divisor=self.settings.divisor), self.accelerator)
        heads = kind.by_head(rows)
        loss = fmean(kind.log_loss(labels, head) for head in heads)
        # An epoch's last step can break the weights: its training loss was computed before.
        self._check("validation", loss, lr)
        return {"val_loss": loss, **_figures(kind, labels, heads)}

    def _check(self, which: str, loss: float, lr: float) -> None:
        if not isfinite(loss):
            raise TrainingError(
                f"The {which} loss is {loss} in epoch {len(self.curve) + 1} "
                f"({self.recipe.name}, learning rate {lr:g}): lower --lr, or look for images that are blank"
            )

    def _score(self, row: Row) -> float:
        if self.recipe.monitor == "loss":
            return -float(row["val_loss"])
        # A classifier's recipe does for a segmentation, too.
        known = f"val_{self.recipe.monitor}" in row
        metric = self.recipe.monitor if known else self.settings.kind.primary
        score = float(row[f"val_{metric}"])
        if isnan(score):
            self.notes.append(
                f"Validation {metric.upper()} is undefined (a class is absent): the validation loss decided"
            )
            return -float(row["val_loss"])
        return score


def _figures(kind: Kind, labels: npt.NDArray[np.int64], heads: Sequence[npt.NDArray[np.float64]]) -> Row:
    """The validation metrics; of several heads their means, and each one's AUPRC."""
    rows = [metrics(kind, labels, head) for head in heads]
    means = {f"val_{name}": fmean(row[name] for row in rows) for name in rows[0]}
    metric = kind.primary
    return means if len(rows) == 1 else means | {f"val_{metric}_of_heads": [row[metric] for row in rows]}
