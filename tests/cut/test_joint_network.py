from __future__ import annotations

import pytest
import torch

from toy_networks import TinyResNet, network
from ttl.cut.head import HEAD
from ttl.cut.joint_network import with_heads
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate


@pytest.mark.parametrize("name", ["resnet18", "small:tv-densenet", "small:tv-mobilenet_v2"])
@pytest.mark.parametrize("pool", ["avg", "max", "none"])
def test_every_head_sees_what_the_truncated_model_sees_and_starts_alike(name: str, pool: str) -> None:
    """Also where a later block changes a feature in place."""
    model = network(name).eval()
    points = list(truncation_points(model, image_size=32))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    joint = with_heads(model, points, num_classes=3, pool=pool, seed=4)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = joint(images)
    assert logits.shape == (2, len(points), 3)
    for number in {0, len(points) // 3, len(points) // 2, len(points) - 1}:
        small = truncate(model, points[number], num_classes=3, pool=pool, seed=4)
        assert torch.equal(small(images), logits[:, number])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("pool", ["avg", "max", "none"])
def test_every_parameter_learns_and_lower_heads_teach_no_block_above_them(pool: str) -> None:
    model = TinyResNet()
    points = list(truncation_points(model, image_size=16))
    joint = with_heads(model, points, num_classes=2, pool=pool).train()
    logits = joint(torch.randn(4, 3, 16, 16))
    logits[:, 1].sum().backward(retain_graph=True)
    taught = {name for name, parameter in joint.named_parameters() if parameter.grad.count_nonzero()}
    parts = {".".join(name.split(".")[:2]) for name in taught}
    assert parts == {"stem.0", "stem.1", "stage1.0", f"{HEAD}.1"}
    logits.sum().backward()
    assert all(parameter.grad.count_nonzero() for parameter in joint.parameters())


def test_the_trunk_keeps_its_names() -> None:
    model = TinyResNet()
    points = list(truncation_points(model, image_size=32))
    joint = with_heads(model, points, num_classes=2)
    small = truncate(model, points[2], num_classes=2)
    trunk = {name for name in small.state_dict() if not name.startswith(HEAD)}
    assert trunk <= set(joint.state_dict())
    assert {name for name in joint.state_dict() if name.startswith(f"{HEAD}.2.")} == {
        f"{HEAD}.2.fc.weight",
        f"{HEAD}.2.fc.bias",
    }
