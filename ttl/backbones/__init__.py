"""Name and weights -> a pretrained network with its own input specification (timm, torchvision)."""

from __future__ import annotations

from ttl.backbones.load import Backbone, load_backbone
from ttl.backbones.spec import InputSpec

__all__ = ["Backbone", "InputSpec", "load_backbone"]
