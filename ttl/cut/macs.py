"""Multiply-adds (MACs) of tensor operations: 1 MAC = 1 multiply-add = what fvcore calls a flop.

The conventions are fvcore's: a convolution or matrix product counts its multiply-adds, a norm in
inference mode 2 an element (a fused scale and shift), other norms 5, average pooling 1 an input
element; pointwise operations and data movement count 0. Spatial means are counted as the average
pooling that they are (fvcore knows only the pooling op). An operation that fits none of these is not
silently 0: it is collected by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Formula = Callable[[Sequence[Any], Any], int]


def size(shape: Sequence[Any]) -> int:
    """The number of elements of a tensor of that shape."""
    return prod(int(side) for side in shape)


def _convolution(args: Sequence[Any], out: Any) -> int:
    x, weight, transposed = args[0], args[1], args[6]
    return size(x.shape[:1]) * size(weight.shape) * size((x if transposed else out).shape[2:])


def _attention(args: Sequence[Any], out: Any) -> int:
    query, key, value = (tensor.shape for tensor in args[:3])
    return size(query[:-1]) * int(key[-2]) * (int(query[-1]) + int(value[-1]))


def _product(left: int) -> Formula:
    """Matrix product of arguments `left` `(…, m, k)` and `left + 1` `(…, k, n)`."""
    return lambda args, out: size(args[left].shape) * int(args[left + 1].shape[-1])


def _norm(per_element: int, weights: slice = slice(1, 3)) -> Formula:
    """`per_element` MACs where `weights` of the arguments hold a tensor, one less without."""

    def formula(args: Sequence[Any], out: Any) -> int:
        affine = any(isinstance(arg, torch.Tensor) for arg in args[weights])
        return size(args[0].shape) * (per_element if affine else per_element - 1)

    return formula


def _batch_norm(args: Sequence[Any], out: Any) -> int:
    return _norm(5 if args[5] is True else 2, slice(1, 2))(args, out)


def _per_input(args: Sequence[Any], out: Any) -> int:
    return size(args[0].shape)


def _per_output(count: int) -> Formula:
    return lambda args, out: count * size(out.shape)


FORMULAS: Mapping[str, Formula] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mm": _product(0),
    "bmm": _product(0),
    "addmm": _product(1),
    "baddbmm": _product(1),
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_attention_math_for_mps": _attention,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _norm(2),
    "native_layer_norm": _norm(5, slice(2, 4)),
    "native_group_norm": _norm(5),
    "_fused_rms_norm": _norm(5, slice(2, 4)),
    "mean": _per_input,
    "_adaptive_avg_pool2d": _per_input,
    "avg_pool2d": _per_input,
    "upsample_nearest2d": _per_output(1),
    "upsample_bilinear2d": _per_output(4),  # of 2 x 2 neighbours
    "_upsample_bilinear2d_aa": _per_output(4),
    "upsample_bicubic2d": _per_output(16),  # of 4 x 4 neighbours
    "_upsample_bicubic2d_aa": _per_output(16),
    "grid_sampler_2d": _per_output(4),
}

# Neither pointwise nor views by torch's own tags, and yet nothing but comparisons or data movement.
# fmt: off
FREE = frozenset({
    "_reshape_copy", "_safe_softmax", "_softmax", "_to_copy", "_unsafe_index", "_unsafe_view", "adaptive_max_pool2d",
    "amax", "amin", "any", "arange", "argmax", "as_strided_", "cat", "clone", "col2im", "constant_pad_nd", "copy_",
    "cumsum", "detach_", "empty", "empty_like", "expand_copy", "eye", "fill_", "flip", "full", "full_like", "gather",
    "hardswish", "hardswish_", "im2col", "index", "index_put", "index_put_", "index_select", "lift_fresh",
    "linalg_vector_norm", "linspace", "masked_fill_", "max", "max_pool2d_with_indices", "new_empty", "new_ones",
    "new_zeros", "ones", "pixel_shuffle", "pixel_unshuffle", "reflection_pad2d", "repeat", "replication_pad2d",
    "resize_", "roll", "scalar_tensor", "scatter", "set_", "slice_scatter", "split_copy", "stack", "sum", "topk",
    "unfold_copy", "unsafe_split", "var", "var_mean", "zeros", "zeros_like", "zero_",
})
# fmt: on


class MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the MACs of what runs inside it; `take()` gives what came since it was last asked.

    Works on meta tensors, where nothing is computed.

    Raises:
        RuntimeError: entered under `torch.inference_mode`, where operations may pass a dispatch mode by uncounted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.without_formula: Counter[str] = Counter()
        self._since = 0

    def __enter__(self) -> MacCounter:
        if torch.is_inference_mode_enabled():
            raise RuntimeError("MACs can't be counted under torch.inference_mode(); use torch.no_grad()")
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def take(self) -> int:
        """The MACs counted since the last call."""
        count, self._since = self._since, 0
        return count

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run `func`, count it."""
        name = func._overloadpacket.__name__
        if name == "native_batch_norm" and args[0].is_meta and not args[5]:
            # torch works the meta shape out by decomposing it: two thirds of the time of a whole walk.
            out = (torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0))
        else:
            out = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(name)
        if formula is not None:
            self._since += formula(args, out)
        elif not (torch.Tag.pointwise in func.tags or func.is_view or name in FREE):
            self.without_formula[name] += 1
        return out
