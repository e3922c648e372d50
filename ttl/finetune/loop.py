"""The training loop: phases of a recipe, one after another, with validation every epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import isfinite, isnan
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import nn

from ttl import processes
from ttl.data import Kind, augmentation
from ttl.data.decoded import Split
from ttl.data.modality.normalise import Normalise
from ttl.errors import TrainingError, TTLError, UsageError
from ttl.finetune.accelerated import accelerator, resolve_device, share_buffers, together
from ttl.finetune.adapters.adapter import Dressing, dress
from ttl.finetune.epoch import Epoch
from ttl.finetune.feed import Batch, Feed
from ttl.finetune.recipes import Phase, Recipe
from ttl.finetune.resume import Best, Checkpoint, Stage, State, Weights
from ttl.finetune.schedules import Scheduler
from ttl.finetune.trainable import batch_norms, bn_momentum, head_parameters, select, train_mode
from ttl.stats import metrics

OnEpoch = Callable[[Epoch], None]
OnImages = Callable[[int, int], None]

COMPARED = 4  # validation images that a model is compared on before and after it takes off its adapter


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides a fine-tune beside its recipe."""

    kind: Kind
    mean: Sequence[float]  # of the input's channels, for pixels in 0..1; `std` likewise
    std: Sequence[float]
    seed: int = 0  # of the order, the augmentation and dropout
    # at most so many in all phases together, of which the last has at least half; None leaves it to the recipe's stop
    # rule
    epochs: int | None = None
    batch_size: int | None = None  # images a step, all processes together; the recipe's by default
    # parts that each batch is computed in, one after another, to need less memory. The step is the whole batch's; only
    # batch norms in training mode see a part at a time.
    accumulate: int = 1
    lr: float | None = None  # of the last phase; the recipe's by default
    # names of the parameters and buffers below the freeze point, for recipes that have one
    frozen: frozenset[str] = frozenset()
    # of classes: `none`, `loss` (rare ones count more) or `sampler` (rare ones are drawn more often)
    balance: str = "none"
    amp: str = "no"  # mixed precision while training: `no`, `bf16` or `fp16`. Validation computes in float32 always.
    device: str = "cpu"
    loss: str | None = None  # by name, where the kind has several; None is its default
    divisor: int = 1  # what the network needs the sides of its images to be multiples of
    # the state before the first epoch counts as epoch 0, and is kept if no epoch is better: for a network that was
    # fine-tuned already
    keeps_start: bool = False
    # the weights of the last epoch are kept, not those of the best, and the last phase goes on to `epochs`: for images
    # that nothing is left of to validate on
    keeps_last: bool = False


@dataclass(frozen=True)
class Fit:
    """How a fine-tune went; the model itself has the weights of the best epoch."""

    curve: tuple[Epoch, ...]
    best_epoch: int
    epochs: int
    finished: bool  # False if it was paused
    seconds: float
    trainable: dict[str, int]  # phase -> number of trainable parameters
    peak_memory_bytes: int | None  # the most that tensors took on a CUDA device; None elsewhere
    notes: tuple[str, ...] = ()


def fit(
    model: nn.Module,
    train: Split,
    val: Split,
    recipe: Recipe,
    settings: Settings,
    *,
    on_epoch: OnEpoch | None = None,
    on_images: OnImages | None = None,
    checkpoint: Path | None = None,
    pause_after: int | None = None,
) -> Fit:
    """Fine-tune `model` in place; it ends in eval mode with the weights of its best validation epoch.

    An adapter that the recipe names is taken off again, with a check on real images that the model computes the same
    without it. After an error the model is as the error left it. The same seed gives the same weights, bit for bit, on
    the CPU, whether it was stopped and continued or not; the caller's random state is left alone. Of several processes
    (torchrun, `accelerate launch`) each takes its share of every batch: the result is that of one to rounding, but for
    dropout, which each draws for itself, and batch norms in training mode, which see a share.

    Args:
        model: as `ttl.truncate` made it: its head is the submodule `ttl_head`; or with a head at every point.
        train: what is learned from.
        val: what decides the schedule and which epoch is kept.
        recipe: how; `settings` are what else decides the result, and where to compute.
        on_epoch: is given each epoch of the curve.
        on_images: is given, after each step, how many samples of the epoch it made use of, and how many there are.
        checkpoint: a file that keeps the state after each epoch; if it holds one of the same recipe and settings,
            the fine-tune goes on from there. Who needs it no more removes it.
        pause_after: return after so many epochs, counted from the first, with the state in the checkpoint.

    Raises:
        TrainingError: the loss is no number, memory ran out, the device isn't there, or the recipe's adapter can't be
            taken off without a trace.
        UsageError: batch norms can't train on so few images at a time, the recipe would never end or its adapter
            doesn't suit the model, or an option is no good.
        RunFolderError: the checkpoint can't be written.
    """
    resolve_device(settings.device)
    if settings.lr is not None:
        recipe = recipe.at_rate(settings.lr)
    endless = [phase.name for phase in recipe.phases if not phase.ends]
    if endless and settings.epochs is None:
        raise UsageError(f"Phase {endless[0]} of {recipe.name} has no end: give it epochs or stop_after, or --epochs")
    cuda = [torch.device(settings.device)] if settings.device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(settings.seed)
            adapter = recipe.made_adapter()
            dressing = None if adapter is None else dress(adapter, model, recipe.phases)
            run = _Run(model, train, val, recipe, settings, dressing)
            result = run.all(Checkpoint(checkpoint, run.identity()), pause_after, on_epoch, on_images)
            if dressing is not None:
                dressing.undress(run.feed.normalise(val.crops()[:COMPARED].to(run.device)))
                model.to(run.device)
            return result
    except (RuntimeError, ValueError) as error:
        explained = _explained(error, settings.batch_size or recipe.batch_size, settings.device)
        if explained is None:
            raise
        raise explained from error


def _explained(error: Exception, batch_size: int, device: str) -> TTLError | None:
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


class _Run:
    def __init__(
        self, model: nn.Module, train: Split, val: Split, recipe: Recipe, settings: Settings, dressing: Dressing | None
    ) -> None:
        self.accelerator = accelerator(settings.device, settings.amp)
        self.rank, self.ranks = self.accelerator.process_index, self.accelerator.num_processes
        # Each process draws dropout for itself; what they share has a generator of its own.
        torch.manual_seed(settings.seed + self.rank)
        self.device = self.accelerator.device
        self.on_cuda = self.device.type == "cuda"
        self.model = model.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.val, self.recipe, self.settings = val, recipe, settings
        self.frozen = dressing.frozen(settings.frozen) if dressing else settings.frozen
        outputs = head_parameters(self.model)[-1].shape[0]
        objective = settings.kind.objective(
            train, loss=settings.loss, balance=settings.balance, outputs=outputs, device=self.device
        )
        self.loss = objective.loss.loss
        if len(val.labels) < self.ranks:
            raise UsageError(f"{self.ranks} processes share {len(val.labels)} validation images: launch fewer")
        self.feed = Feed(
            train,
            augmentation(recipe.augment),
            Normalise(settings.mean, settings.std, self.device),
            batch_size=settings.batch_size or recipe.batch_size,
            generator=torch.Generator().manual_seed(settings.seed),
            draw=objective.draws,
            parts=settings.accumulate,
            rank=self.rank,
            ranks=self.ranks,
        )
        self.curve: list[Epoch] = []
        self.best, self.stage = Best(), Stage()
        self.notes: list[str] = list(dressing.notes) if dressing else []

    def identity(self) -> dict[str, str]:
        """What a state on disk must have been written for."""
        settings = replace(self.settings, mean=tuple(self.settings.mean), std=tuple(self.settings.std))
        return {
            "settings": repr(replace(settings, device="cpu", frozen=frozenset())),
            "frozen": repr(sorted(self.settings.frozen)),
            "samples": repr(len(self.feed)),
            "recipe": json.dumps(self.recipe.definition()),
            "shapes": repr({name: tuple(value.shape) for name, value in self.model.state_dict().items()}),
        }

    def all(
        self, checkpoint: Checkpoint, pause_after: int | None, on_epoch: OnEpoch | None, on_images: OnImages | None
    ) -> Fit:
        """Every phase, from the state on disk if there is one, up to the epoch to pause after."""
        self.checkpoint, self.pause_after, self.on_epoch, self.on_images = checkpoint, pause_after, on_epoch, on_images
        if self.on_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        state = checkpoint.load()
        started_at = state.stage.number if state else 0
        if state is None and self.settings.keeps_start:
            loss, figures, _ = self._validation(lr=0.0)
            self.best = Best(self._score(loss, figures), 0, self._weights())
        trainable, finished = {}, True
        for number, phase in enumerate(self.recipe.phases):
            parameters = select(self.model, phase, self.frozen)
            trainable[phase.name] = sum(p.numel() for p in parameters)
            if number < started_at or not finished:
                continue
            if state is None:
                self.stage = Stage(number)
                self._restore_best()
            with bn_momentum(self.model, phase.bn_momentum):
                finished = self._phase(phase, parameters, state)
            state = None
        self._restore_best()
        self.model.eval()
        return Fit(
            curve=tuple(self.curve),
            best_epoch=self.best.epoch,
            epochs=len(self.curve),
            finished=finished,
            seconds=sum(epoch.seconds for epoch in self.curve),
            trainable=trainable,
            peak_memory_bytes=torch.cuda.max_memory_allocated(self.device) if self.on_cuda else None,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _weights(self) -> Weights:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _restore_best(self) -> None:
        """The weights of the best epoch so far, if that isn't the last one."""
        if self.best.epoch != len(self.curve):
            self.model.load_state_dict({**self.model.state_dict(), **(self.best.weights or {})})

    def _phase(self, phase: Phase, parameters: list[nn.Parameter], state: State | None) -> bool:
        """One phase, from the `state` within it if that is given; False if it was paused before its end."""
        cap = self.settings.epochs
        if cap is not None and phase is not self.recipe.phases[-1]:
            cap = max(1, cap // 2)  # half of the epochs are left to the last phase
        made = phase.optimizer.make(parameters)
        schedule = phase.schedule.make(made, self.feed.batch_size / len(self.feed))
        if state is not None:
            self._go_on(state, made, schedule)
        else:
            self._remark(phase, is_spent=cap is not None and len(self.curve) >= cap)
        optimizer = self.accelerator.prepare_optimizer(made)
        with together(self.accelerator, self.model) as model:
            while not (cap is not None and len(self.curve) >= cap) and not self._is_due(phase, schedule):
                if self.pause_after is not None and len(self.curve) >= self.pause_after:
                    return False
                epoch = self._epoch(phase, model, optimizer, schedule, made.param_groups[0]["lr"])
                score = self._score(epoch.val_loss, epoch.val)
                if score > self.best.score or self.settings.keeps_last:
                    self.best = Best(score, len(self.curve), self._weights())
                self.stage = self.stage.after(score)
                schedule.step(self.stage.done, score)
                if processes.is_main():
                    self.checkpoint.save(self._state(made, schedule), must=len(self.curve) == self.pause_after)
                if self.on_epoch is not None:
                    self.on_epoch(epoch)
        return True

    def _is_due(self, phase: Phase, schedule: Scheduler) -> bool:
        """Whether the phase's own rule ends it."""
        if self.settings.keeps_last and phase is self.recipe.phases[-1]:
            return False
        return phase.stop.is_due(epochs=self.stage.done, since_best=self.stage.since_best, lr=schedule.lr)

    def _remark(self, phase: Phase, *, is_spent: bool) -> None:
        """What a person should know of a phase before it begins."""
        if is_spent:
            epochs = self.settings.epochs
            self.notes.append(f"Phase {phase.name} never began: --epochs {epochs} was spent before it")
        norms = batch_norms(self.model)
        if "bn" in phase.train and not norms:
            self.notes.append(f"This network has no batch norms: phase {phase.name} trains the head alone")
        parts = self.ranks * self.settings.accumulate
        if norms and phase.bn == "train" and parts > 1:
            self.notes.append(f"Batch norms that train saw each batch in {parts} parts, each with its own statistics")

    def _state(self, optimizer: torch.optim.Optimizer, schedule: Scheduler) -> State:
        """All that decides how it goes on, for the checkpoint."""
        scaler = self.accelerator.scaler
        is_last = self.best.epoch == len(self.curve)
        return State(
            model=self.model.state_dict(),
            best=replace(self.best, weights=None) if is_last else self.best,
            stage=self.stage,
            curve=tuple(self.curve),
            notes=tuple(self.notes),
            optimizer=optimizer.state_dict(),
            schedule=schedule.state_dict(),
            scaler=None if scaler is None else scaler.state_dict(),
            generator=self.feed.generator.get_state(),
            rng=torch.get_rng_state(),
            cuda_rng=torch.cuda.get_rng_state(self.device) if self.on_cuda else None,
        )

    def _go_on(self, state: State, optimizer: torch.optim.Optimizer, schedule: Scheduler) -> None:
        """Take up a checkpoint's state, in the phase that it was written in."""
        self.model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
        schedule.load_state_dict(state.schedule)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        weights = state.model if state.best.weights is None else state.best.weights
        weights = {name: value.to(self.device).clone() for name, value in weights.items()}
        self.best, self.stage = replace(state.best, weights=weights), state.stage
        self.curve, self.notes = list(state.curve), list(state.notes)
        self.feed.generator.set_state(state.generator)
        if self.rank == 0:  # the others' dropout is their own: no one kept how far it was
            torch.set_rng_state(state.rng)
            if state.cuda_rng is not None and self.on_cuda:
                torch.cuda.set_rng_state(state.cuda_rng, self.device)

    def _epoch(self, phase: Phase, model: nn.Module, optimizer: Any, schedule: Scheduler, lr: float) -> Epoch:
        start, samples = perf_counter(), len(self.feed)
        train_mode(self.model, phase, self.frozen)
        total, done = torch.zeros((), device=self.device), 0
        for batch in self.feed:
            total += self._step(model, optimizer, batch) * len(batch.labels)
            done += len(batch.labels)
            schedule.step_batch(done / samples)
            if self.on_images is not None:
                self.on_images(done, samples)
        mean_loss = float(self.accelerator.reduce(total, "sum")) / samples
        speed = samples / (perf_counter() - start)
        self._check("training", mean_loss, lr)
        number, validated, seconds = len(self.curve) + 1, self._validation(lr), perf_counter() - start
        epoch = Epoch(number, phase.name, lr, mean_loss, *validated, images_per_second=speed, seconds=seconds)
        self.curve.append(epoch)
        return epoch

    def _step(self, model: nn.Module, optimizer: Any, batch: Batch) -> torch.Tensor:
        """One step of the optimiser; this process's share of the batch's mean loss, detached."""
        optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for number, part in enumerate(batch.parts, start=1):
            # Gradients are averaged over the processes once, with the last part.
            with self.accelerator.no_sync(model) if number < batch.size else nullcontext():
                with self.accelerator.autocast():
                    logits = model(part.inputs)
                loss = self.loss(logits.float(), part.targets, batch.labels)
                # Each process has its share of the mean, and averaging divides by their number once more.
                self.accelerator.backward(loss * self.ranks if self.ranks > 1 else loss)
            total += loss.detach()
        optimizer.step()
        return total

    def _validation(self, lr: float) -> tuple[float, Mapping[str, float], Mapping[str, tuple[float, ...]]]:
        """The loss; the metrics, of several heads their means; and of several heads each one's primary metric."""
        share_buffers(self.accelerator, self.model)
        kind, labels = self.settings.kind, self.val.labels
        own = self.val.share(self.rank, self.ranks)
        rows = kind.predict(self.model, own, self.feed.normalise, divisor=self.settings.divisor)
        heads = kind.by_head(np.concatenate(gather_object([rows])))
        loss = fmean(kind.log_loss(labels, head) for head in heads)
        # An epoch's last step can break the weights: its training loss was computed before.
        self._check("validation", loss, lr)
        figures = [metrics(kind, labels, head) for head in heads]
        means = {name: fmean(each[name] for each in figures) for name in figures[0]}
        return loss, means, {kind.primary: tuple(each[kind.primary] for each in figures)} if len(heads) > 1 else {}

    def _check(self, which: str, loss: float, lr: float) -> None:
        if not isfinite(loss):
            raise TrainingError(
                f"The {which} loss is {loss} in epoch {len(self.curve) + 1} "
                f"({self.recipe.name}, learning rate {lr:g}): lower --lr, or look for images that are blank"
            )

    def _score(self, loss: float, figures: Mapping[str, float]) -> float:
        """What decides the schedule and which epoch is kept, the higher the better."""
        if self.recipe.monitor == "loss":
            return -loss
        # A classifier's recipe does for a segmentation, too.
        metric = self.recipe.monitor if self.recipe.monitor in figures else self.settings.kind.primary
        if not isnan(figures[metric]):
            return figures[metric]
        self.notes.append(f"Validation {metric.upper()} is undefined (a class is absent): the validation loss decided")
        return -loss
