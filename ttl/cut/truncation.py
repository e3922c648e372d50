"""Cutting a network at one of its truncation points: `truncate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import fx, nn

from ttl.cut.head import HEAD, Head
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.cut.surgery import eval_mode, extract, joined, recorded, same, seeded
from ttl.cut.trace import Traced, output_of, trace
from ttl.cut.unet import SEGMENTATION_HEAD, Encoder, upsamplings
from ttl.errors import ModelError, PointError

CLASSES = f"{SEGMENTATION_HEAD}.0"  # of a U-Net, the convolution whose outputs are the classes


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
    traced = traced_for(model, point)
    feature = joined(traced.graph, [traced.nodes[name] for name in point.values])
    small = extract(traced, feature, class_name="TruncatedModel")
    if not isinstance(point, UNetPoint):  # whose params are of more than the encoder
        _check_params(model, point, small)
    image, taken = _reference(traced, point, [feature.name])
    with eval_mode(small), torch.no_grad():
        if not same(taken[feature.name], small(image)):
            raise _unlike(model, point)
    if num_classes is not None:
        _attach(small, new_head(model, point, num_classes, pool=pool, dropout=dropout, seed=seed))
    return small.train(model.training)


def traced_for(model: nn.Module, *points: TruncationPoint) -> Traced:
    """The model as it runs on the image that the points are of.

    Raises:
        PointError: one of the points isn't this model's.
    """
    traced = trace(model, image_size=points[0].sides, channels=points[0].image_channels)
    nodes = traced.nodes
    for point in points:
        for name in point.values:
            if name not in nodes:
                raise _foreign(point, model, f"it has no value {name}")
    return traced


def new_head(
    model: nn.Module, point: TruncationPoint, num_classes: int, *, pool: str, dropout: float, seed: int
) -> Head:
    """A head for `point` of a model, on its device, as `truncate` puts it there."""
    with seeded(seed):
        head = Head(point.shape, point.channel_axis, num_classes, pool=pool, dropout=dropout)
    return head.to(next(model.parameters()).device)


def _attach(small: fx.GraphModule, head: Head) -> None:
    small.add_module(HEAD, head)
    output = output_of(small.graph)
    with small.graph.inserting_before(output):
        output.args = (small.graph.call_module(HEAD, (output.args[0],)),)
    small.recompile()


def _shortened(model: nn.Module, point: UNetPoint, *, num_classes: int, seed: int) -> fx.GraphModule:
    """The U-Net with its encoder cut at `point`, and without the decoder stages that belonged to what is removed."""
    traced = traced_for(model, point)
    graph, nodes = traced.graph, traced.nodes
    image, taken = _reference(traced, point, (*point.values, *point.skips))
    if point.enters is not None:
        upsampling = list(upsamplings(graph).values())[point.enters]
        upsampling.replace_input_with(
            upsampling.all_input_nodes[0], joined(graph, [nodes[name] for name in point.values])
        )
    small = extract(traced, output_of(graph).all_input_nodes[0], class_name="TruncatedUNet")
    with seeded(seed):
        _refit(small, point, num_classes)
    _check_params(model, point, small, leave_out=f"{SEGMENTATION_HEAD}.")
    _, again = recorded(Traced(small, small.graph, {}), image, dict.fromkeys(taken, torch.clone))
    if not same(taken, {name: again.get(name) for name in taken}):
        raise _unlike(model, point)
    return small.train(model.training)


def _refit(small: fx.GraphModule, point: UNetPoint, num_classes: int) -> None:
    """New convolutions where the width changed, begun as smp begins them: Kaiming- and Xavier-uniform."""
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


def _reference(
    traced: Traced, point: TruncationPoint, names: Sequence[str]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A random image, and the network's values of these names for it; a ModelError if graph and model differ."""
    model = traced.model
    like, generator = next(model.parameters()), torch.Generator().manual_seed(0)
    image = torch.randn(1, point.image_channels, *point.sides, generator=generator).to(like)
    # Copies: a network may write into its input.
    output, taken = recorded(traced, image.clone(), dict.fromkeys(names, torch.clone))
    with eval_mode(model), torch.no_grad():
        if not same(output, model(image.clone())):
            raise _unlike(model, point)
    return image, taken


def _check_params(model: nn.Module, point: TruncationPoint, small: nn.Module, leave_out: str = f"{HEAD}.") -> None:
    params = sum(p.numel() for name, p in small.named_parameters() if not name.startswith(leave_out))
    if params != point.params:
        raise _foreign(point, model, f"there are {params} parameters up to there, not {point.params}")


def _foreign(point: TruncationPoint, model: nn.Module, reason: str) -> PointError:
    return PointError(
        f"Point {point.name} isn't one of this {type(model).__name__}'s ({reason}): "
        "take the points from ttl.truncation_points of the same model"
    )


def _unlike(model: nn.Module, point: TruncationPoint) -> ModelError:
    return ModelError(
        f"{type(model).__name__} cut at {point.name} doesn't compute what the whole network computes there; "
        "its forward can't be followed by tracing"
    )
