"""A photo answered without PyTorch: python without_torch.py MODEL.onnx PHOTO "EXPRESSION" OUT.png

MODEL.onnx and the tokenizer.json beside it come from python -m slvit.export. Needs onnxruntime, tokenizers, numpy and
Pillow.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from tokenizers import Tokenizer

model, photo_path, expression, out = sys.argv[1:]
photo = ImageOps.exif_transpose(Image.open(photo_path)).convert("RGB")
scale = 256 / (photo.width * photo.height) ** 0.5  # the size in preprocessor_config.json
W, H = (32 * max(1, round(side * scale / 32)) for side in photo.size)
pixels = np.asarray(photo.resize((W, H), Image.Resampling.BICUBIC, reducing_gap=2.0), np.float32) / 255  # H×W×3
ids = np.array([Tokenizer.from_file(str(Path(model).with_name("tokenizer.json"))).encode(expression).ids])  # 1×T

inputs = {"pixel_values": pixels.transpose(2, 0, 1)[None], "input_ids": ids, "attention_mask": np.ones_like(ids)}
logits, *presence = onnxruntime.InferenceSession(model).run(None, inputs)
background, meant = logits[0]  # H×W each
difference = np.array(Image.fromarray(meant - background).resize(photo.size, Image.Resampling.BICUBIC))
mask = difference >= 0
Image.fromarray(mask).save(out)
confidence = np.mean(1 / (1 + np.exp(-difference[mask])))
if presence:  # of the thing meant being there at all; see slvit.segmenter.confidence_of
    confidence = 1 / (1 + np.exp(-(presence[0].item() + 3 * np.log(confidence / (1 - confidence))) / 4))
print(f"{mask.mean():.1%} of the photo, confidence {confidence:.2f}")
