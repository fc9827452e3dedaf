"""What several test files share: a small random model with its processor, and its checkpoint folder."""

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: each has its share of the cores, and its uploads
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
    uploads = tempfile.TemporaryDirectory(prefix="slvit-tests-", ignore_cleanup_errors=True)  # gone when it ends
    os.environ["GRADIO_TEMP_DIR"] = uploads.name

import string
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from serving import App, start_app
from transformers import BertTokenizer

from slvit import ReferringSegmenter, SLViTConfig, SLViTModel, SLViTProcessor
from slvit.processor import SLViTImageProcessor
from train.export import export

WORDS = ["the", "dog", "cat", "on", "left", "right", "red", "word", ",", ".", "?"]


@pytest.fixture(scope="session")
def processor() -> SLViTProcessor:
    """Reads a few whole words, spells all others of Latin letters and digits, and knows no other script."""
    letters = list(string.ascii_lowercase + string.digits)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, do_lower_case=True)
    return SLViTProcessor(SLViTImageProcessor(size=128), tokenizer)


@pytest.fixture(scope="session")
def model(processor: SLViTProcessor) -> SLViTModel:
    """All parts of SLViT at a hundredth of the size, with random weights that tell expressions apart."""
    torch.manual_seed(0)
    text = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = SLViTConfig(
        channels=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        fusion_channels=32,
        decoder_channels=64,
        coordinates=True,
        visual_prior="efficientnet_lite0",
        text_config={**text, "vocab_size": len(processor.tokenizer)},
    )
    model = SLViTModel(config)
    with torch.no_grad():
        for parameter in model.text_encoder.parameters():
            parameter.mul_(5)
    return model.eval()


@pytest.fixture
def segmenter(model: SLViTModel, processor: SLViTProcessor) -> ReferringSegmenter:
    return ReferringSegmenter(model, processor)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, model: SLViTModel, processor: SLViTProcessor) -> Path:
    """A whole checkpoint folder, its weights in two files. Tests that damage one copy it first."""
    folder = tmp_path_factory.mktemp("checkpoints") / "small"
    frozen = {key for key in model.state_dict() if key.startswith("text_encoder")}
    export(model, processor, folder, frozen=frozen, dtype=torch.float32)
    return folder


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """An RGB photo of 150×200 (height×width) with edges and colours."""
    down, across = np.mgrid[0:150, 0:200]
    pixels = np.stack([across, down, 255 * ((across // 25 + down // 25) % 2)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="session")
def app(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """app.py with the small model, in a process of its own: the tests that attack or load it share it."""
    app = start_app(checkpoint, tmp_path_factory.mktemp("app"))
    yield app
    app.stop()


@pytest.fixture
def client(app: App) -> Iterator[httpx.Client]:
    with app.client() as client:
        yield client


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="fuzz, load and kill runs at full length")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--long")
