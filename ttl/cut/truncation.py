"""Cutting a network at one of its truncation points: `truncate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import fx, nn

from ttl.cut.head import HEAD, Head
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.surgery import Constants, ValueRecorder, eval_mode, extract, joined, same
from ttl.cut.trace import trace
from ttl.cut.unet import SEGMENTATION_HEAD, Encoder, upsamplings
from ttl.errors import ModelError, PointError

CLASSES = f"{SEGMENTATION_HEAD}.0"
"""Of a U-Net, the convolution whose outputs are the classes."""


def truncate(
    model: nn.Module,
    point: TruncationPoint,
    *,
    num_classes: int | None,
    pool: str = "avg",
    dropout: float = 0.0,
    seed: int = 0,
) -> fx.GraphModule:
    """A new model: `model` up to `point`, then a head (pooling, dropout, linear) for `num_classes`.

    A U-Net is shortened at both ends (Peng et al., supplement A.2): its encoder up to `point`, and the decoder stages
    whose skip connections still have their partner. Only a convolution whose input width changed starts with new
    weights, and the last one where the number of classes did.

    What is kept keeps its state-dict names, weights and train/eval behaviour, as copies: `model` is left as
    it is. The head is the submodule `ttl_head`. In eval mode the feature at the cut is, bit for bit, what
    `model` computes there; that is checked on a random image before the result is returned.

    Example:
        >>> import timm, torch, ttl
        >>> model = timm.create_model("resnet10t")
        >>> points = ttl.truncation_points(model, image_size=64)
        >>> small = ttl.truncate(model, points["layer2.0"], num_classes=2)
        >>> small(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2])

    Args:
        model: the network that `point` came from.
        point: one of `truncation_points(model)`.
        num_classes: outputs of the head; None gives no head but the feature itself.
        pool: `avg`, `max`, `avgmax` (their mean), `token` (a transformer's class token), or `none` (flatten;
            fixes the image size).
        dropout: probability of dropout before the linear layer.
        seed: of the head's random weights; the caller's generator is left alone.

    Raises:
        PointError: the point isn't one of this model's.
        ModelError: the cut model doesn't compute what the model computes.
    """
    if isinstance(point, UNetPoint):
        if num_classes is not None:
            return _shortened(model, point, num_classes=num_classes, seed=seed)
        model = Encoder(model)
    graph, constants, values = _walked(model, point)
    small = extract(model, graph, constants, joined(graph, values), class_name="TruncatedModel")
    if not isinstance(point, UNetPoint):  # whose params are of more than the encoder
        _check_params(model, point, small)
    _check(model, graph, constants, point, small)
    if num_classes is not None:
        head = new_head(point, num_classes, pool=pool, dropout=dropout, seed=seed)
        _attach(small, head.to(next(model.parameters()).device))
    return small.train(model.training)


def _walked(model: nn.Module, point: TruncationPoint) -> tuple[fx.Graph, Constants, list[fx.Node]]:
    """The model's graph with its constants, and in it the values that are the feature at `point`."""
    graph, constants = trace(model, image_size=point.sides, channels=point.image_channels)
    nodes = {node.name: node for node in graph.nodes}
    missing = [name for name in point.values if name not in nodes]
    if missing:
        raise foreign_point(point, model, f"it has no value {missing[0]}")
    return graph, constants, [nodes[name] for name in point.values]


def _shortened(model: nn.Module, point: UNetPoint, *, num_classes: int, seed: int) -> fx.GraphModule:
    """The U-Net with its encoder cut at `point`, and without the decoder stages that belonged to what is removed."""
    graph, constants, values = _walked(model, point)
    image, taken = _reference(model, graph, constants, point, (*point.values, *point.skips))
    if point.enters is not None:
        upsampling = upsamplings(graph)[point.enters]
        upsampling.replace_input_with(upsampling.all_input_nodes[0], joined(graph, values))
    output = next(node for node in graph.nodes if node.op == "output").all_input_nodes[0]
    small = extract(model, graph, constants, output, class_name="TruncatedUNet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _refit(small, point, num_classes)
    _check_params(model, point, small, leave_out=f"{SEGMENTATION_HEAD}.")
    recorder = ValueRecorder(small, small.graph, {}, dict.fromkeys(taken, torch.clone))
    with eval_mode(small), torch.no_grad():
        recorder.run(image)
    if not same(taken, {name: recorder.taken.get(name) for name in taken}):
        raise _unlike(model, point)
    return small.train(model.training)


def _refit(small: fx.GraphModule, point: UNetPoint, num_classes: int) -> None:
    """New convolutions where the width changed: of what comes from below, or of the classes."""
    entry, last = (cast(nn.Conv2d, small.get_submodule(path)) for path in (point.entry, CLASSES))
    if entry.in_channels != point.entry_channels:
        fresh = _like(entry, point.entry_channels, entry.out_channels)
        nn.init.kaiming_uniform_(fresh.weight, nonlinearity="relu")
        small.set_submodule(point.entry, fresh)
    if last.out_channels != num_classes:
        fresh = _like(last, last.in_channels, num_classes)
        nn.init.xavier_uniform_(fresh.weight)
        small.set_submodule(CLASSES, fresh)


def _like(conv: nn.Conv2d, inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of other widths, its bias 0 and its weights on the device of the old one's."""
    bias = conv.bias is not None
    fresh = nn.Conv2d(inputs, outputs, conv.kernel_size, conv.stride, conv.padding, bias=bias)  # type: ignore[arg-type]
    if fresh.bias is not None:
        nn.init.zeros_(fresh.bias)
    return fresh.to(conv.weight)


def new_head(point: TruncationPoint, num_classes: int, *, pool: str, dropout: float, seed: int) -> Head:
    """A head for `point`, on the CPU; the arguments are those of `truncate`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(point.shape, point.channel_axis, num_classes, pool=pool, dropout=dropout)


def _check_params(model: nn.Module, point: TruncationPoint, small: nn.Module, leave_out: str = f"{HEAD}.") -> None:
    params = sum(p.numel() for name, p in small.named_parameters() if not name.startswith(leave_out))
    if params != point.params:
        raise foreign_point(point, model, f"there are {params} parameters up to there, not {point.params}")


def foreign_point(point: TruncationPoint, model: nn.Module, reason: str) -> PointError:
    """That a point isn't one of this model's, and why that is so."""
    return PointError(
        f"Point {point.name} isn't one of this {type(model).__name__}'s ({reason}): "
        "take the points from ttl.truncation_points of the same model"
    )


def _attach(small: fx.GraphModule, head: Head) -> None:
    small.add_module(HEAD, head)
    output = next(node for node in reversed(small.graph.nodes) if node.op == "output")
    with small.graph.inserting_before(output):
        logits = small.graph.call_module(HEAD, (output.args[0],))
    output.args = (logits,)
    small.recompile()


def _check(
    model: nn.Module, graph: fx.Graph, constants: Constants, point: TruncationPoint, small: fx.GraphModule
) -> None:
    """The walked graph computes what the model computes, and `small` what the graph has at `point`."""
    image, taken = _reference(model, graph, constants, point, point.values)
    values = [taken[node.name] for node in graph.nodes if node.name in taken]
    with eval_mode(small), torch.no_grad():
        computed = small(image)
    if not torch.equal(computed, values[0] if len(values) == 1 else torch.cat(values, 1)):
        raise _unlike(model, point)


def _reference(
    model: nn.Module, graph: fx.Graph, constants: Constants, point: TruncationPoint, names: Sequence[str]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A random image, and the values of these names that the whole network has for it."""
    like = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, point.image_channels, *point.sides, generator=generator).to(like)
    # Copies: a later in-place operation may change a value.
    recorder = ValueRecorder(model, graph, constants, dict.fromkeys(names, torch.clone))
    with eval_mode(model), torch.no_grad():
        if not same(recorder.run(image.clone()), model(image.clone())):
            raise _unlike(model, point)
    return image, recorder.taken


def _unlike(model: nn.Module, point: TruncationPoint) -> ModelError:
    return ModelError(
        f"{type(model).__name__} cut at {point.name} doesn't compute what the whole network computes there; "
        "its forward can't be followed by tracing"
    )
