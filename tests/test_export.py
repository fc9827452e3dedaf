"""What is exported answers as the model at three shapes of photo: torch.export, ONNX Runtime, and without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slvit import SLViTModel, SLViTProcessor
from slvit.checkpoint import BUNDLED
from slvit.export import INPUTS, export_program, main, write
from tests.models import TEXT, small_model

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: pip install '.[export]'")
pytestmark = pytest.mark.timeout(900)  # tracing every shape takes half a minute of one core
HEAD = [*np.sin(np.arange(32 + 2 * 40)).tolist(), 0.3]  # weights of presence, and its bias
SHAPES = [(96, 160, 5), (192, 64, 3), (320, 224, 9)]  # H, W, T


@pytest.fixture(scope="module")
def model(processor: SLViTProcessor) -> SLViTModel:
    """Every part that depends on the photo's shape or the words, and as few layers as there can be: seconds a layer."""
    text = {**TEXT, "vocab_size": len(processor.tokenizer)}
    return small_model(depths=[1] * 4, nmf_steps=1, coordinates=True, text_config=text, uncertainty="standardized")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, model: SLViTModel, processor: SLViTProcessor) -> Path:
    """A folder with model.onnx, model.pt2 and tokenizer.json of the small model."""
    folder = tmp_path_factory.mktemp("exported")
    program = export_program(model, HEAD)
    write(program, folder / "model.onnx")
    write(program, folder / "model.pt2")
    processor.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def asked(H: int, W: int, T: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(H)
    ids = torch.randint(5, 40, (1, T), generator=generator)
    values = (torch.rand(1, 3, H, W, generator=generator), ids, torch.ones_like(ids))
    return dict(zip(INPUTS, values, strict=True))


def test_it_answers_as_the_model_at_every_shape(exported: Path, model: SLViTModel) -> None:
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    program = torch.export.load(exported / "model.pt2").module()
    for shape in SHAPES:
        inputs = asked(*shape)
        with torch.inference_mode():
            output = model(**inputs)
            ours = program(*inputs.values())
        theirs = session.run(["logits", "presence"], {name: tensor.numpy() for name, tensor in inputs.items()})
        assert ours[0].shape == theirs[0].shape == (1, 2, *shape[:2]) and ours[1].shape == theirs[1].shape == (1,)
        presence = output.evidence @ torch.tensor(HEAD[:-1]) + HEAD[-1]
        for mine, its, expected in zip(ours, theirs, (output.logits, presence), strict=True):
            assert np.abs(mine.numpy() - expected.numpy()).max() < 1e-3
            assert np.abs(its - expected.numpy()).max() < 1e-3
    inputs = asked(32, 512, 4)  # a strip: too low for torch.export's graph, not for ONNX
    theirs = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})[0]
    with torch.inference_mode():
        assert np.abs(theirs - model(**inputs).logits.numpy()).max() < 1e-3


def test_a_photo_is_answered_without_torch(exported: Path, photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.png")
    example = BUNDLED.parents[1] / "benchmarks/without_torch.py"
    watched = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); assert 'torch' not in sys.modules"
    )
    arguments = [exported / "model.onnx", tmp_path / "photo.png", "the dog on left", tmp_path / "mask.png"]
    done = subprocess.run(
        [sys.executable, "-c", watched, example, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "of the photo, confidence" in done.stdout
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == photo.size


def test_mistakes_are_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "model.bin")]) == 2
    assert "ends neither with .onnx nor with .pt2" in capsys.readouterr().err
    assert main([str(tmp_path / "none"), str(tmp_path / "model.onnx")]) == 2
    assert "There is no checkpoint folder" in capsys.readouterr().err
