"""The demo's data and network: digits 0-4 teach a small ResNet, digits 5-9 are what it is cut for."""

from __future__ import annotations

from pathlib import Path

from ttl.config import RunConfig
from ttl.run import finetune, run
from ttl.run.events import Note, Watch
from ttl.run.flow import Finished

MODEL = "resnet18"
IMAGE_SIZE = 32
PRETRAIN_EPOCHS = 6
EPOCHS = 5
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
"""From random weights, on 8 x 8 images, 1e-4 would need many more epochs than a demo has."""


def demo(out: Path, *, seed: int = 0, watch: Watch) -> Finished:
    """Pretrain on the digits 0-4, then the whole job on 5-9. Offline, about two minutes on two cores.

    Args:
        out: the folder; `pretrained/` inside it holds the pretraining.
        seed: of everything.
        watch: is told what happens.
    """
    watch(Note(f"First a {MODEL} learns the digits 0 to 4 from random weights: it stands for a pretrained network."))
    pretraining = RunConfig(
        data="digits:0-4",
        model=MODEL,
        weights="none",
        image_size=IMAGE_SIZE,
        out=out / "pretrained",
        epochs=PRETRAIN_EPOCHS,
        batch_size=BATCH_SIZE,
        lr=LEARNING_RATE,
        seed=seed,
    )
    folder = finetune(pretraining, "full", watch=watch).folder
    watch(Note("Now the job: the smallest cut of that network which tells the digits 5 to 9 apart."))
    job = pretraining.model_copy(
        update={
            "data": "digits:5-9",
            "weights": str(folder / "model.safetensors"),
            "out": out,
            "epochs": EPOCHS,
        }
    )
    return run(job, watch=watch)
