"""The mean of a run's kept states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import small_model
from safetensors.torch import load_file

from train.export import export, never_trained
from train.state import load_state, save_state
from train.swa import main, mean_of_kept

KEY = "decoder.classifier.weight"


def in_layout_of_training(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


@pytest.fixture
def run(tmp_path: Path, processor) -> Path:
    """A run of a checkpoint, and of three states whose averaged weights are all 1, 2 and 6."""
    model = small_model(coordinates=True)
    model.text_encoder.requires_grad_(False)
    frozen = never_trained(model)
    export(model, processor, tmp_path / "run/checkpoint", frozen=frozen)
    state = model.state_dict()
    weights = {key: tensor for key, tensor in state.items() if key not in frozen and tensor.is_floating_point()}
    for step, value in ((90, 1.0), (200, 2.0), (1000, 6.0)):
        average = {key: torch.full_like(tensor, value) for key, tensor in weights.items()}
        average = {key: in_layout_of_training(tensor) for key, tensor in average.items()}
        state = {"average": average, "model": weights, "config": {"average": 0.999}}
        save_state(tmp_path / f"run/step-{step}.pt", state)
    return tmp_path / "run"


def test_each_state_from_the_given_step_on_counts_alike(run: Path, tmp_path: Path, capsys) -> None:
    for since, states, value in ((0, 3, 3.0), (91, 2, 4.0), (1000, 1, 6.0)):
        out = tmp_path / f"since-{since}"
        assert main([str(run), str(out), "--since", str(since)]) == 0
        assert f"{states} states" in capsys.readouterr().out
        trained = load_file(out / "model-trained.safetensors")
        torch.testing.assert_close(trained[KEY], torch.full_like(trained[KEY], value))
        names = {file.name for file in out.iterdir()}
        assert names == {file.name for file in (run / "checkpoint").iterdir()}
        frozen = "model-frozen.safetensors"
        assert (out / frozen).read_bytes() == (run / "checkpoint" / frozen).read_bytes()


def test_without_an_average_the_weights_themselves_count(run: Path, tmp_path: Path) -> None:
    for file in run.glob("step-*.pt"):
        state = load_state(file)
        average, counts = state["average"], {"stages.0.blocks.0.norm1.num_batches_tracked": torch.tensor(3)}
        start = {key: torch.zeros_like(tensor) for key, tensor in average.items()}
        save_state(file, {"average": start, "model": average | counts, "config": {"average": 0.0}})
    assert mean_of_kept(run, tmp_path / "out") == 3
    trained = load_file(tmp_path / "out/model-trained.safetensors")
    torch.testing.assert_close(trained[KEY], torch.full_like(trained[KEY], 3.0))


def test_what_has_no_mean_is_refused(run: Path, tmp_path: Path, processor, capsys) -> None:
    out = tmp_path / "out"
    assert main([str(run), str(out), "--since", "1001"]) == 2
    assert "--keep_every" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no checkpoint folder"):
        mean_of_kept(run, out, like=tmp_path)
    other = small_model(coordinates=False)
    export(other, processor, tmp_path / "other", frozen=set())
    with pytest.raises(ValueError, match="does not fit"):
        mean_of_kept(run, out, like=tmp_path / "other")
    assert not out.exists()
    out.mkdir()
    assert main([str(run), str(out)]) == 2, "a folder that is there is not written over"
