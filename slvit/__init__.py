"""SLViT: a photo and an expression in, the mask of what was meant and the network's reasons out."""

from slvit.config import SLViTConfig
from slvit.model import SLViTModel
from slvit.processor import SLViTProcessor
from slvit.segmenter import ReferringSegmenter

__all__ = ["ReferringSegmenter", "SLViTConfig", "SLViTModel", "SLViTProcessor"]
