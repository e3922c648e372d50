from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from toy_networks import TinyResNet
from ttl.cut.gradcam import grad_cam
from ttl.cut.head import HEAD, Head
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.errors import ModelError


class Headed(nn.Module):
    """A head on the image itself: the map can be worked out by hand."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.add_module(HEAD, head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.get_submodule(HEAD)(x)


def headed(shape: tuple[int, ...], weight: list[list[float]], channel_axis: int = 0, pool: str = "avg") -> Headed:
    head = Head(shape, channel_axis, len(weight), pool=pool, dropout=0.5)
    with torch.no_grad():
        head.fc.weight.copy_(torch.tensor(weight))
    return Headed(head)


FEATURE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[4.0, 1.0], [0.0, 0.0]]]])
WEIGHT = [[1.0, -1.0], [-1.0, 1.0]]


@pytest.mark.parametrize(("target", "expected"), [(0, [[0, 1], [3, 4]]), (1, [[3, 0], [0, 0]])])
def test_over_average_pooling_it_is_the_weighted_sum_of_the_channels(target: int, expected: list[list[int]]) -> None:
    # a_k = w_ck / 4, so the map is relu(w_c . A) / 4: its maximum is 4 or 3 of these quarters
    found = grad_cam(headed((2, 2, 2), WEIGHT), FEATURE, target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], np.array(expected) / np.max(expected), rtol=1e-6)


def test_each_image_may_have_a_class_of_its_own() -> None:
    model = headed((2, 2, 2), WEIGHT)
    both = grad_cam(model, FEATURE.repeat(2, 1, 1, 1), [0, 1])
    np.testing.assert_array_equal(both[0], grad_cam(model, FEATURE, 0)[0])
    np.testing.assert_array_equal(both[1], grad_cam(model, FEATURE, 1)[0])


def test_maximum_pooling_gives_the_gradient_to_one_place() -> None:
    # The gradient of channel k is w_ck at its maximum, so again a_k = w_ck / 4.
    found = grad_cam(headed((2, 2, 2), WEIGHT, pool="max"), FEATURE, 0)
    np.testing.assert_allclose(found[0], np.array([[0, 1], [3, 4]]) / 4, rtol=1e-6)


def test_channels_may_come_last() -> None:
    found = grad_cam(headed((2, 2, 2), WEIGHT, channel_axis=2), FEATURE.permute(0, 2, 3, 1), 0)
    np.testing.assert_allclose(found[0], np.array([[0, 1], [3, 4]]) / 4, rtol=1e-6)


def test_where_nothing_supports_the_class_the_map_is_empty() -> None:
    assert not grad_cam(headed((1, 2, 2), [[-1.0], [1.0]]), FEATURE[:, :1], 0).any()


def test_a_truncated_network_and_the_whole_one_are_left_as_they_were() -> None:
    network = TinyResNet()
    points = truncation_points(network, image_size=32)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for point in (points[1], points[-1]):
        model = truncate(network, point, num_classes=2).train()
        model.get_submodule(HEAD).eval()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        modes = {name: module.training for name, module in model.named_modules()}
        found = grad_cam(model, images, 1)
        assert found.shape == (3, 32 // point.reduction, 32 // point.reduction)
        assert 0 <= found.min() <= found.max() <= 1
        np.testing.assert_array_equal(found, grad_cam(model, images, 1))
        assert modes == {name: module.training for name, module in model.named_modules()}
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
        assert not model.get_submodule(HEAD)._forward_pre_hooks


def test_what_has_no_map_is_refused() -> None:
    with pytest.raises(ModelError, match="reads tokens: cut lower, or at a convolutional network"):
        grad_cam(headed((5, 2), [[1.0, 1.0]], channel_axis=1), torch.zeros(1, 5, 2), 0)
    with pytest.raises(ModelError, match="reads a vector"):
        grad_cam(headed((2,), [[1.0, 1.0]]), torch.zeros(1, 2), 0)
    with pytest.raises(ModelError, match=r"Linear has no head of ttl's: give a model that ttl\.truncate returned"):
        grad_cam(nn.Linear(2, 2), torch.zeros(1, 2), 0)
