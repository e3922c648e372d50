"""Where the operators of a file really ran: onnxruntime leaves to the CPU what a provider doesn't have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ttl.cost.feed import image_feed
from ttl.cost.session import open_session, provider_of
from ttl.cost.subject import Setting, Subject


def provider_that_ran(subject: Subject, setting: Setting) -> str:
    """In words, from the profile of one call: `CUDAExecutionProvider (3 of 120 nodes on CPU)`.

    The session is one of its own, as writing a profile takes time; no file is left.

    Raises:
        TTLError: as `ttl.cost.callers.open_callers`.
    """
    with TemporaryDirectory() as folder:
        session = open_session(
            subject.path, threads=setting.threads, device=setting.device, profile=Path(folder) / "profile"
        )
        rng = np.random.default_rng(0)
        feed = image_feed(session, subject.name, batch=setting.batch, sides=setting.sides, rng=rng)
        session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return shares(events, provider_of(setting.device))


def shares(events: Iterable[Mapping[str, Any]], asked: str) -> str:
    """The provider that was asked for, and how many nodes ran elsewhere; where none ran on it, the one that did.

    Args:
        events: of onnxruntime's profile.
        asked: the provider that the session was opened with.
    """
    kernels = (event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"))
    nodes = Counter(str(event["args"]["provider"]) for event in kernels)
    if not nodes:
        return asked
    main = asked if asked in nodes else nodes.most_common(1)[0][0]
    elsewhere = [
        f"{count} of {nodes.total()} nodes on {name.removesuffix('ExecutionProvider')}"
        for name, count in nodes.most_common()
        if name != main
    ]
    return f"{main} ({', '.join(elsewhere)})" if elsewhere else main
