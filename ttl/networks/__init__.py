"""Name and weights -> a pretrained network with its own input specification (timm, torchvision)."""

from __future__ import annotations

from ttl.networks.pretrained import Backbone, load_backbone
from ttl.networks.spec import InputSpec

__all__ = ["Backbone", "InputSpec", "load_backbone"]
