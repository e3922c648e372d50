"""Where and in which precision a fine-tune computes, alone or with other processes: accelerate, set up for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, broadcast_object_list, patch_environment
from torch import nn

from ttl import processes
from ttl.errors import TrainingError, UsageError

T = TypeVar("T")


def accelerator(device: str, amp: str = "no") -> Accelerator:
    """For one fine-tune in this process, or for its share of one that several processes do together.

    Of several processes on CUDA each takes the GPU of its local rank. `amp` is `no`, or the type that convolutions and
    products compute in: `bf16` or `fp16` (with a scaled loss).

    Raises:
        UsageError: `fp16` without a GPU.
    """
    check_amp(amp, device)
    several = processes.count() > 1
    # accelerate keeps device and precision for the whole process, but the next fine-tune may have others. The
    # process group stays.
    AcceleratorState._reset_state(reset_partial_state=not several)
    with patch_environment(**({} if several else {"ACCELERATE_TORCH_DEVICE": device})):
        return Accelerator(cpu=device == "cpu", mixed_precision=amp)


def check_amp(amp: str, device: str) -> None:
    """Refuse `fp16` without a GPU, by a UsageError."""
    if amp == "fp16" and not device.startswith("cuda"):
        raise UsageError(f"--amp fp16 needs a CUDA device, and --device is {device}: use --amp bf16")


def resolve_device(name: str) -> str:
    """The device of that name, `auto` being CUDA where there is one, else the CPU.

    Raises:
        TrainingError: it isn't there.
        UsageError: there are fewer of its sort.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    wanted = torch.device(name)
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"--device is {name}, and there is no CUDA device here: use --device cpu")
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise TrainingError("--device is mps, and there is no Apple GPU here: use --device cpu")
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device is {name}, and there are {torch.cuda.device_count()} CUDA devices: count from cuda:0"
        )
    return name


@contextmanager
def together(accelerator: Accelerator, model: nn.Module) -> Iterator[nn.Module]:
    """What to call in place of `model` so that gradients are averaged over all processes; alone, `model` itself.

    For one phase: which parameters require gradients must not change meanwhile.
    """
    if accelerator.num_processes == 1:
        yield model
        return
    wrapped = accelerator.prepare_model(model)
    try:
        yield wrapped
    finally:
        accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)
        model.__dict__.pop("forward", None)  # accelerate leaves one on the instance, and copies would share it


def from_main(value: T) -> T:
    """What the main process has, for all: what is decided by it must not differ by a rounding error."""
    if processes.count() == 1:
        return value
    box: list[Any] = [value]
    broadcast_object_list(box)
    return cast(T, box[0])


def share_buffers(accelerator: Accelerator, model: nn.Module) -> None:
    """The main process's buffers, for all: each has moved its running statistics by its own share of the images."""
    for buffer in model.buffers() if accelerator.num_processes > 1 else ():
        buffer.copy_(broadcast(buffer))
