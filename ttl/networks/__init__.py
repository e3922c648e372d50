"""Name and weights -> a pretrained network with its own input specification (timm, torchvision)."""

from ttl.networks.pretrained import Backbone as Backbone
from ttl.networks.pretrained import load_backbone as load_backbone
from ttl.networks.spec import InputSpec as InputSpec
