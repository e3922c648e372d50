"""Pretrained weights from the network: found in the cache, or had, or refused within seconds."""

from __future__ import annotations

import logging
import os
import ssl
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import huggingface_hub
import torch
from huggingface_hub import constants

from ttl.errors import WeightsError

PROBE_SECONDS = 5.0
WAYS_ON = "give a local file with --weights FILE, or start from random weights with --weights none"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm looks for in a repository of the hub, in its order


def hub_file(network: str, hub_id: str, filename: str | None) -> str | None:
    """The path of a hub repository's weights in the local cache; None where they must be downloaded and can be.

    The hub's own client asks the network even for what it has, and without one tries for most of a minute.

    Raises:
        WeightsError: they aren't there, and the hub can't be reached.
    """
    repository, _, revision = hub_id.partition("@")
    for name in (filename,) if filename else HUB_FILES:
        found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return found
    if constants.HF_HUB_OFFLINE or _is_set("HF_HUB_OFFLINE"):
        raise WeightsError(
            f"The pretrained weights of {network} aren't on this machine, and HF_HUB_OFFLINE forbids "
            f"to download them: {WAYS_ON}"
        )
    _require(network, constants.ENDPOINT)
    return None


def require_url(network: str, url: str) -> None:
    """Check that a file is in torch's cache or that its host answers.

    Raises:
        WeightsError: neither.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if not cached.is_file():
        _require(network, url)


def unavailable(network: str, error: Exception) -> WeightsError:
    """One sentence for whatever went wrong in a download."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return WeightsError(f"The pretrained weights of {network} can't be had ({reason}): {WAYS_ON}")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the zoos log and warn of while they build and download away from the user."""
    loggers = [logging.getLogger(name) for name in ("timm", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in ("1", "TRUE", "YES", "ON")


def _require(network: str, url: str) -> None:
    if not _answers(url):
        raise WeightsError(
            f"The pretrained weights of {network} can't be downloaded, {urlparse(url).hostname} doesn't "
            f"answer (no network?): {WAYS_ON}"
        )


def _answers(url: str) -> bool:
    """Whether a server says anything, through a proxy where one is set, within `PROBE_SECONDS`."""
    answers = threading.Event()

    def ask() -> None:
        if _responds(url):
            answers.set()
        done.set()

    done = threading.Event()
    # A thread, because a timeout of the socket's doesn't cover the look-up of the host's name.
    threading.Thread(target=ask, daemon=True).start()
    done.wait(PROBE_SECONDS)
    return answers.is_set()


def _responds(url: str) -> bool:
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.build_opener().open(request, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except urllib.error.URLError as error:
        # A certificate that this library doesn't know may be known to the one that downloads.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
    return True
