"""Runs that are killed, resumed, refused, and what they leave behind."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import platform
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from models import SMALL, inputs, small_model
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training import annotated_photos, config_file, finish, listed_photos, start, text_encoder
from transformers import BertModel

from slvit import ReferringSegmenter, SLViTModel
from slvit.checkpoint import load_checkpoint
from slvit.config import SLViTConfig
from train.__main__ import main as train_main
from train.average import Average
from train.card import data_hash
from train.config import TrainConfig
from train.evaluate import evaluate
from train.evaluate import main as evaluate_main
from train.export import export, never_trained
from train.frozen_prior import frozen_prior
from train.loader import Positions, SizeOf, validation_examples
from train.loop import Outcome, train
from train.losses import segmentation_loss
from train.metrics import Scores
from train.mscan import load_mscan
from train.optimizer import freeze, learning_rate, training_mode, without_gradient
from train.precision import precision_on
from train.state import load_state, save_state
from train.tables import TABLES
from train.tables import main as tables_main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and text encoder that the runs of this file share."""
    folder = tmp_path_factory.mktemp("training")
    annotated_photos(folder / "data")
    text_encoder(folder / "bert")
    return folder


@pytest.fixture(scope="module")
def whole_run(folder: Path) -> Path:
    """A run of 12 steps that nothing interrupts."""
    finish(start("--config", config_file(folder, out=str(folder / "whole"))))
    return folder / "whole"


def same(a: object, b: object, where: str = "") -> None:
    """Equality to the bit, down to the last tensor."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{number}]")
    else:
        assert a == b, where


def full_disk(process: subprocess.Popen) -> None:
    """From now on the process writes no file beyond 200 KB, of which a state has more."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize("blow", ["SIGKILL", "SIGTERM", "full disk"])
def test_killed_and_resumed_equals_uninterrupted_to_the_bit(folder: Path, whole_run: Path, blow: str) -> None:
    out = folder / f"killed-{blow}"
    config = config_file(folder, out=str(out))
    process = start("--config", config)
    for line in process.stdout:
        if line.startswith("step 5/"):  # a state was saved at step 4; step 5 is lost but with SIGTERM
            full_disk(process) if blow == "full disk" else process.send_signal(signal.Signals[blow])
            break
    rest, _ = process.communicate(timeout=60)
    if blow == "full disk":
        assert process.returncode == 2 and "File too large" in rest and "Traceback" not in rest
        assert not list(out.glob(".*")), "no half of a state is left"
    stopped_at = load_state(out / "last.pt")["step"]
    assert 4 <= stopped_at < 12
    output = finish(start("--config", config))
    assert f"continued from step {stopped_at}" in output
    ours, theirs = load_state(out / "last.pt"), load_state(whole_run / "last.pt")
    for key in ("step", "model", "average", "optimizer", "random", "bad_losses"):
        same(ours[key], theirs[key], key)
    exported = [load_file(run / "checkpoint" / "model-trained.safetensors") for run in (out, whole_run)]
    same(*exported)


def test_the_number_of_workers_changes_nothing(folder: Path, whole_run: Path) -> None:
    out = folder / "workers"
    finish(start("--config", config_file(folder, out=str(out), workers=2, keep_every=5)))
    same(load_state(out / "last.pt")["model"], load_state(whole_run / "last.pt")["model"])
    kept = {path.name: load_state(path)["step"] for path in out.glob("step-*.pt")}
    assert kept == {"step-5.pt": 5, "step-10.pt": 10}


def test_the_exported_folder_answers(whole_run: Path, folder: Path) -> None:
    segmenter = ReferringSegmenter.from_pretrained(whole_run / "checkpoint", device="cpu")
    answer = segmenter.segment(folder / "data" / "photos" / "0.png", "the left square", inspect=True)
    assert answer.mask.shape == (96, 128)
    assert answer.inspection.uncertainty.shape == (3, 3)  # 96×128 at about 96² pixels
    index = json.loads((whole_run / "checkpoint" / "model.safetensors.index.json").read_text())["weight_map"]
    frozen = {key for key, file in index.items() if "frozen" in file}
    assert frozen and all(key.startswith("text_encoder.") for key in frozen)


def test_the_log_has_a_line_for_each_logged_step(whole_run: Path) -> None:
    lines = [json.loads(line) for line in (whole_run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert all(np.isfinite(line["loss"]) and line["gradient_norm"] > 0 and line["seconds_left"] >= 0 for line in lines)


def test_a_run_set_up_otherwise_is_not_continued(folder: Path, whole_run: Path) -> None:
    process = start("--config", config_file(folder, out=str(whole_run), lr=5e-4))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "lr = 0.001, not 0.0005" in output
    assert "Traceback" not in output


def test_a_run_whose_frozen_weights_were_replaced_is_not_continued(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bert = text_encoder(tmp_path / "bert")
    config = config_file(folder, out=str(tmp_path / "run"), text_encoder=str(bert), samples=8)
    assert train_main(["--config", str(config)]) == 0
    BertModel(BertModel.from_pretrained(bert).config, add_pooling_layer=False).save_pretrained(bert)
    assert train_main(["--config", str(config), "--samples", "16"]) == 2
    assert "run with other frozen weights" in capsys.readouterr().err
    older = {key: value for key, value in load_state(tmp_path / "run" / "last.pt").items() if key != "frozen"}
    save_state(tmp_path / "run" / "last.pt", older)
    assert train_main(["--config", str(config), "--samples", "16"]) == 0, "an older state says nothing of them"
    assert load_state(tmp_path / "run" / "last.pt")["step"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sample", "10"], "no key 'sample': the nearest is 'samples'"),
        (["--samples", "many"], "samples must be of type int, not 'many'"),
        (["--schedule", "linear"], "schedule is one of cosine, polynomial, constant"),
        (["--model", '{"chanels": [1]}'], "no key 'chanels' in 'model': the nearest is 'channels'"),
        (["--data", "nowhere"], "no data folder 'nowhere'"),
        (["--config", "nowhere.json"], "no config file nowhere.json"),
        (["--lr"], "--lr lacks its value"),
        (["--samples", "3"], "3 samples make no step of 4: raise --samples"),
    ],
)
def test_what_the_user_can_put_right_is_said_in_a_line(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture
) -> None:
    config = config_file(folder, out=str(folder / "refused"))
    assert train_main(["--config", str(config), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_losses_that_are_not_finite_are_skipped_then_stop_the_run(folder: Path) -> None:
    out = folder / "bad"
    process = start("--config", config_file(folder, out=str(out), lr=1e30, warmup=0, clip=0.0, bad_losses=3))
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert output.count("skipped") == 4
    assert "lower --lr" in output and "Traceback" not in output


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_bad_batch_leaves_no_trace(folder: Path, accumulate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, turns = SLViTModel.forward, itertools.count(1)

    def overflows_once(self: SLViTModel, pixels: torch.Tensor, *rest: object, **named: object) -> object:
        return plain(self, pixels * torch.inf if next(turns) == 2 * accumulate else pixels, *rest, **named)

    monkeypatch.setattr(SLViTModel, "forward", overflows_once)
    changes = {"out": str(folder / f"one-bad-{accumulate}"), "batch_size": 4 // accumulate, "accumulate": accumulate}
    outcome = train(TrainConfig.load(config_file(folder, **changes, samples=16)))
    state = load_state(outcome.checkpoint.parent / "last.pt")
    assert (state["step"], state["bad_losses"]) == (4, 1)
    exported = load_file(outcome.checkpoint / "model-trained.safetensors")
    for tensors in (state["model"], state["average"], exported):
        assert not [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
    counts = {int(tensor) for key, tensor in state["model"].items() if key.endswith("num_batches_tracked")}
    assert counts == {3 * accumulate}, "the three good steps"


class Scaling(Accelerator):
    """Scales gradients as in fp16, by far too much at first, on a CPU."""

    mixed_precision = "fp16"

    def __init__(self, **named: object) -> None:
        super().__init__(**(named | {"mixed_precision": "no"}))
        self.native_amp, self.scaler = True, torch.amp.GradScaler("cpu", init_scale=2.0**127)

    def autocast(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()


def test_overflow_in_fp16_scales_less_and_is_no_bad_loss(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.loop.Accelerator", Scaling)
    out = folder / "scaled"
    train(TrainConfig.load(config_file(folder, out=str(out), samples=48, dice=20, bad_losses=0)))
    state = load_state(out / "last.pt")
    assert state["bad_losses"] == 0 and state["scaler"]["scale"] < 2.0**127
    norms = [json.loads(line)["gradient_norm"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert None in norms and norms[-1] > 0, "the first steps overflow, the last is taken"


def test_a_step_that_overflows_in_fp16_leaves_no_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.loop.Accelerator", Scaling)
    out = folder / "overflown"
    train(TrainConfig.load(config_file(folder, out=str(out), samples=4, dice=20)))
    state = load_state(out / "last.pt")
    assert state["scaler"]["scale"] < 2.0**127
    assert not any(tensor for key, tensor in state["model"].items() if key.endswith("num_batches_tracked"))


def test_a_state_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_state(path, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, {"step": 2})
    assert load_state(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_state_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"step": Path("x")}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        load_state(tmp_path / "last.pt")


# --- parts ------------------------------------------------------------------------------------------------------------


def test_loss_by_hand() -> None:
    logits = torch.zeros(2, 2, 1, 2)
    logits[0, 1, 0, 0] = 20.0  # sure of the first pixel
    logits[0, 0, 0, 1] = 20.0
    target = torch.tensor([[[1, 0]], [[0, 0]]])
    half = torch.log(torch.tensor(2.0)) / 2  # the second photo's pixels are undecided: ln 2 over half of all pixels
    torch.testing.assert_close(segmentation_loss(logits, target, dice_weight=0.0), half)
    torch.testing.assert_close(segmentation_loss(logits, target, dice_weight=5.0), half, atol=1e-4, rtol=0)
    wrong = torch.tensor([[[0, 1]], [[0, 0]]])  # Dice of the first: 1 − (0 + 1) / (1 + 1 + 1)
    difference = segmentation_loss(logits, wrong, dice_weight=3.0) - segmentation_loss(logits, wrong, dice_weight=0.0)
    torch.testing.assert_close(difference, torch.tensor(2.0), atol=1e-4, rtol=0)


def test_schedule() -> None:
    config = TrainConfig(lr=1.0, warmup=10, last_lr=0.01, schedule="cosine")
    rates = [learning_rate(config, step=step, steps=110) for step in range(110)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[60] == pytest.approx((1 + 0.01) / 2, abs=1e-6)
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[-1] < 0.012
    paper = TrainConfig(lr=3e-5, warmup=0, last_lr=0.0, schedule="polynomial")
    assert learning_rate(paper, step=50, steps=100) == pytest.approx(3e-5 * 0.5**0.9)


def test_average_follows_weights_and_statistics_and_leaves_frozen_parts_out() -> None:
    model = small_model()
    model.text_encoder.requires_grad_(False)
    average = Average(model, 0.9)
    key, statistic = "decoder.classifier.weight", "stages.0.blocks.0.norm1.running_mean"
    before = model.state_dict()[key].clone()
    with torch.no_grad():
        model.decoder.classifier.weight.add_(1.0)
        model.stages[0].blocks[0].norm1.running_mean.add_(1.0)
    average.update(model, step=1000)
    torch.testing.assert_close(average.state[key], before + 0.1)
    assert not any(name.startswith("text_encoder.encoder") for name in average.state)
    with average.in_place_of(model):
        torch.testing.assert_close(model.state_dict()[key], before + 0.1)
        assert torch.equal(model.state_dict()[statistic], average.state[statistic])
    torch.testing.assert_close(model.state_dict()[key], before + 1)


def test_the_prior_keeps_its_statistics_where_a_part_of_it_is_trained() -> None:
    model = small_model(visual_prior="efficientnet_lite0")
    freeze(model, ["prior.stem", "prior.blocks.1.", "text_encoder"])
    training_mode(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model(*inputs(2, 64, 64)).logits.sum().backward()
    after = model.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert moved and not any(key.startswith(("prior", "text_encoder")) for key in moved)
    assert model.prior.blocks[10].expand[0].weight.grad is not None  # "prior.blocks.1." is not "prior.blocks.10."
    assert model.prior.blocks[1].expand[0].weight.grad is None and model.prior.stem[0].weight.grad is None


def test_a_frozen_prior_by_the_fast_path_changes_no_gradient() -> None:
    model = small_model(visual_prior="efficientnet_lite0").eval()
    assert frozen_prior(model, "no") is None  # still trained
    freeze(model, ["prior"])
    assert frozen_prior(model, "bf16") is None and frozen_prior(small_model(), "no") is None
    pixels, ids, mask = inputs(2, 64, 96)
    gradients = []
    for features in (None, frozen_prior(model, "no")(pixels)):
        model.zero_grad()
        model(pixels, ids, mask, prior_features=features).logits.square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-3 * float(gradients[0].abs().max()))


@pytest.mark.parametrize(
    ("device", "card", "card_has_bf16", "cpu_has_bf16", "expected"),
    [
        ("auto", True, True, False, "bf16"),
        ("auto", True, False, True, "fp16"),
        ("cpu", True, True, False, "no"),
        ("auto", False, True, False, "no"),
        ("auto", False, False, True, "bf16"),
    ],
)
def test_precision_is_what_the_processor_multiplies_in(
    device: str, card: bool, card_has_bf16: bool, cpu_has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: card_has_bf16)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: cpu_has_bf16, raising=False)
    assert precision_on(device) == expected


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_freed_memory_is_found_again_without_the_system() -> None:
    lines = [
        "import resource, torch",
        "from train.memory import keep_freed_memory",
        "assert keep_freed_memory()",
        "def use(): return [torch.ones(16 << 20) for _ in range(6)]",  # 64 MB each: above glibc's largest threshold
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt",
        "for _ in range(10):",
        "    before = faults(); use(); print(faults() - before)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    # The first rounds settle which block lies where; from the system each takes about 100,000 pages, or 192 huge ones.
    assert min(map(int, done.stdout.split()[5:])) < 50


def test_every_sample_goes_to_exactly_one_process() -> None:
    taken = [list(Positions(start=16, samples=100, batch_size=4, process=process, processes=2)) for process in range(2)]
    numbers = sorted(number for batches in taken for batch in batches for number in batch)
    assert numbers == list(range(16, 96))
    assert taken[0][0] == [16, 17, 18, 19] and taken[1][0] == [20, 21, 22, 23]


def test_sizes_follow_the_phases_and_are_one_for_all_of_a_step() -> None:
    size_of = SizeOf(((0.5, 160), (0.5, 224)), samples=1600, together=16, shapes=(0.5, 0.25, 0.25), seed=0)
    sizes = [size_of(number) for number in range(1600)]
    for first in range(0, 1600, 16):
        assert len(set(sizes[first : first + 16])) == 1
    assert {128 * 192, 160 * 160} == {h * w for h, w in sizes[:800]}
    assert {(224, 224), (192, 256), (256, 192)} == set(sizes[800:])


@pytest.mark.parametrize("shapes", [[1, 0], [0.5, 0.5, 0.5], [1.5, -0.5, 0]], ids=str)
def test_shapes_that_are_no_three_shares_are_refused(shapes: list[float]) -> None:
    with pytest.raises(ValueError, match="1 in all"):
        TrainConfig(shapes=shapes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": [1.0, 64]}, "phases must be of type list[list[float]], not [1.0, 64]."),
        ({"phases": [[1.0]]}, "phases: [[1.0]] must be a list of pairs, each a share and a side."),
        ({"phases": [[1.0, 0]]}, "phases: the shares must add up to 1, and the sides be multiples of 32."),
        ({"recipe": {"people": "x"}}, "recipe: people must be of type float, not 'x'."),
        ({"recipe": {"emphasis": {"a": "2"}}}, "recipe: emphasis must be of type dict[str, float], not {'a': '2'}."),
        ({"dataset": "mix", "mix": ["x"]}, "mix must be of type list[dict[str, Any]], not ['x']."),
        ({"dataset": "mix", "mix": [{"data": "x", "share": "1"}]}, "mix: share must be of type float, not '1'."),
        ({"betas": [0.9]}, "betas: [0.9] must be two numbers from 0 to below 1."),
        ({"batch_size": 0}, "batch_size is 0: it must be at least 1."),
        ({"epochs": 0}, "epochs is 0: it must be at least 1."),
        ({"freeze": [1]}, "freeze must be of type list[str], not [1]."),
        ({"threads": 1.5}, "threads must be of type int or none, not 1.5."),
        ({"mirrored": 1}, "mirrored must be of type bool, not 1."),
        ({"lr": True}, "lr must be of type float, not True."),
    ],
    ids=str,
)
def test_what_no_run_can_have_is_refused_in_a_sentence(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        TrainConfig(**changes)
    assert str(refused.value) == said


def test_every_shipped_config_is_one() -> None:
    files = sorted((Path(__file__).parents[1] / "train" / "configs").glob("*.json"))
    assert len(files) > 3 and all(TrainConfig.load(file) for file in files)
    recipe = {"people": 1, "sources_left_out": ["a", "b"], "emphasis": {"c": 2, "d": 1.5}, "sentences": "s.jsonl.gz"}
    assert TrainConfig(recipe=recipe, phases=[[1, 64]], betas=[0, 0.9], weights=None).recipe == recipe


def mscan_weights(channels: list[int], depths: list[int]) -> dict[str, torch.Tensor]:
    """A checkpoint with SegNeXt's key names and random values."""
    weights: dict[str, torch.Tensor] = {}

    def conv(name: str, *shape: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = torch.randn(shape), torch.randn(shape[0])

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{name}.{part}"] = torch.rand(width)

    for stage, (C, depth) in enumerate(zip(channels, depths, strict=True), 1):
        if stage == 1:
            conv("patch_embed1.proj.0", C // 2, 3, 3, 3), norm("patch_embed1.proj.1", C // 2)
            conv("patch_embed1.proj.3", C, C // 2, 3, 3), norm("patch_embed1.proj.4", C)
        else:
            conv(f"patch_embed{stage}.proj", C, channels[stage - 2], 3, 3), norm(f"patch_embed{stage}.norm", C)
        for at in range(depth):
            block = f"block{stage}.{at}"
            norm(f"{block}.norm1", C), norm(f"{block}.norm2", C)
            conv(f"{block}.attn.proj_1", C, C, 1, 1), conv(f"{block}.attn.proj_2", C, C, 1, 1)
            gate = f"{block}.attn.spatial_gating_unit"
            conv(f"{gate}.conv0", C, 1, 5, 5), conv(f"{gate}.conv3", C, C, 1, 1)
            for number, k in enumerate((7, 11, 21)):
                conv(f"{gate}.conv{number}_1", C, 1, 1, k), conv(f"{gate}.conv{number}_2", C, 1, k, 1)
            weights[f"{block}.layer_scale_1"], weights[f"{block}.layer_scale_2"] = torch.rand(C), torch.rand(C)
            hidden = C * (8, 8, 4, 4)[stage - 1]
            conv(f"{block}.mlp.fc1", hidden, C, 1, 1), conv(f"{block}.mlp.fc2", C, hidden, 1, 1)
            conv(f"{block}.mlp.dwconv.dwconv", hidden, 1, 3, 3)
        weights[f"norm{stage}.weight"], weights[f"norm{stage}.bias"] = torch.rand(C), torch.rand(C)
    return weights | {"head.weight": torch.rand(3, 3)}


def test_mscan_weights_fill_the_encoder_but_for_the_cross_modal_part(tmp_path: Path) -> None:
    model = small_model()
    weights = mscan_weights(model.config.channels, model.config.depths)
    torch.save({"state_dict": weights}, tmp_path / "mscan.pth")
    report = load_mscan(model, tmp_path / "mscan.pth")
    state = model.state_dict()
    strip = weights["block2.1.attn.spatial_gating_unit.conv2_1.weight"]
    assert torch.equal(state["stages.1.blocks.1.lmfa.strips.2.1.weight"], strip)  # 1×21
    assert torch.equal(state["stages.3.downsample.1.running_var"], weights["patch_embed4.norm.running_var"])
    assert torch.equal(state["stages.0.blocks.0.layer_scale2"].flatten(), weights["block1.0.layer_scale_2"])
    assert f"{len(weights) - 1} tensors" in report and "head.weight" in report
    wanting = {key for key in state if key.startswith("stages.")} - {
        key for key in state if key.startswith("stages.") and ".lmfa.cross." not in key
    }
    assert f"{len(wanting)} of them cross-modal attention" in report
    with pytest.raises(FileNotFoundError, match="no file .*nowhere.pth"):
        load_mscan(model, tmp_path / "nowhere.pth")
    weights["block1.0.attn.proj_1.weight"] = torch.zeros(1, 1, 1, 1)
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="block1.0.attn.proj_1.weight is"):
        load_mscan(model, tmp_path / "other.pth")


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_a_table_starts_from_mscan_weights(table: str, tmp_path: Path) -> None:
    weights = mscan_weights(SMALL["channels"], SMALL["depths"])
    torch.save(weights, tmp_path / "mscan.pth")
    for name, changes in TABLES[table].items():
        model = SLViTModel(SLViTConfig(**{**SMALL, **changes}))
        report = load_mscan(model, tmp_path / "mscan.pth")
        assert ("strips of a length that MSCAN lacks" in report) == (name in ("5", "15", "23")), (name, report)
        assert torch.equal(model.stages[0].blocks[0].proj_in.weight, weights["block1.0.attn.proj_1.weight"])


def test_a_strip_takes_the_mscan_weights_of_its_own_length(tmp_path: Path) -> None:
    weights = mscan_weights(SMALL["channels"], SMALL["depths"])
    torch.save(weights, tmp_path / "mscan.pth")
    model = small_model(kernel_sizes=[11, 5])
    assert "20 of them strips of a length that MSCAN lacks" in load_mscan(model, tmp_path / "mscan.pth")  # 5 blocks × 4
    strip = model.stages[1].blocks[1].lmfa.strips[0][1].weight  # 1×11
    assert torch.equal(strip, weights["block2.1.attn.spatial_gating_unit.conv1_1.weight"])


class _Runs:
    """Pickled, it would make a file when it is loaded."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple:
        return Path.touch, (self.proof,)


def test_a_pth_file_that_would_run_something_is_refused_unrun(tmp_path: Path) -> None:
    torch.save({"norm1.weight": torch.rand(16), "more": _Runs(tmp_path / "it-ran")}, tmp_path / "mscan.pth")
    with pytest.raises(ValueError, match="mscan.pth holds more than weights, or is damaged: it is not loaded"):
        load_mscan(small_model(), tmp_path / "mscan.pth")
    assert not (tmp_path / "it-ran").exists()


def test_without_an_average_the_weights_themselves_are_scored_and_pushed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, pushed = [], []

    def spy(model: SLViTModel, *arguments: object, **named: object) -> Scores:
        scored.append(model.state_dict()["decoder.classifier.weight"].clone())
        return evaluate(model, *arguments, **named)

    class Hub:
        create_repo = upload_folder = staticmethod(lambda *words, **named: pushed.append((words, named)))

    monkeypatch.setattr("train.loop.evaluate", spy)
    monkeypatch.setattr("train.loop.HfApi", Hub)
    config = config_file(folder, out=str(folder / "plain"), average=0.0, samples=16, validate_every=2, validate_on=2)
    outcome = train(TrainConfig.load(config, {"push_to_hub": "someone/slvit-small"}))
    assert len(scored) == 2 and not torch.equal(*scored), "the weights moved between the two validations"
    exported = load_file(outcome.checkpoint / "model-trained.safetensors")["decoder.classifier.weight"]
    torch.testing.assert_close(exported.float(), scored[1], atol=1e-3, rtol=1e-3)
    assert not outcome.stopped
    assert pushed == [
        (("someone/slvit-small",), {"exist_ok": True}),
        ((), {"repo_id": "someone/slvit-small", "folder_path": outcome.checkpoint}),
    ]


def test_eight_photos_are_learned_by_heart(folder: Path, tmp_path: Path) -> None:
    """Through the command lines: a loop, a loss or a scoring with a fault in it does not get there."""
    data = listed_photos(tmp_path / "data")
    changes = {"data": str(data), "out": str(tmp_path / "run"), "dataset": "folder", "epochs": 120, "batch_size": 8}
    changes |= {"phases": [[1.0, 96]], "mirrored": False, "light": False, "lr": 4e-3, "average": 0.9}
    changes |= {"shapes": [1, 0, 0], "weight_decay": 0.0, "warmup": 10, "save_every": 1000, "log_every": 20}
    assert train_main(["--config", str(config_file(folder, **changes))]) == 0
    asked = ["--checkpoint", tmp_path / "run/checkpoint", "--data", data, "--json", tmp_path / "scores.json"]
    assert evaluate_main([*map(str, asked), "--device", "cpu"]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())["results"]["folder val"]["all"]
    assert scores["count"] == 16 and scores["miou"] > 95, scores
    assert evaluate_main([*map(str, asked), "--device", "cpu", "--top-k", "0"]) == 0
    without = json.loads((tmp_path / "scores.json").read_text())["results"]["folder val"]["all"]
    assert without["miou"] < scores["miou"], "what URCE would have refined is missed"
    assert evaluate_main([*map(str, asked), "--device", "cpu", "--top-k", "226"]) == 2


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, set()),
        ({"urce_stages": [3, 4]}, {"urce.unify.0", "urce.unify.1", "urce.reverse.0", "urce.reverse.1"}),
        ({"decoder_features": ["plain"] * 4}, {"urce"}),
        ({"decoder_features": ["none", "enhanced", "enhanced", "enhanced"]}, {"urce.reverse.0", "decoder.squeeze.0"}),
    ],
)
def test_what_the_answer_does_not_depend_on_is_found(changes: dict, parts: set[str]) -> None:
    """Processes that train together would wait for its gradient for ever."""
    model = small_model(**changes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = without_gradient(model)
    assert (
        {name for name, _ in model.named_parameters() if name.startswith(tuple(parts))} == set(found)
        if parts
        else (found == [])
    )
    same(model.state_dict(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_table_trains_its_rows_once_and_goes_on_where_it_was_stopped(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["stages", "--config", str(config_file(folder, out=str(folder / "table"), samples=8, log_every=9))]
    runs = []

    def stopped_in_third(config: TrainConfig) -> Outcome:
        runs.append(config.model)
        outcome = train(config)
        return dataclasses.replace(outcome, stopped=len(runs) == 3)

    monkeypatch.setattr("train.tables.train", stopped_in_third)
    assert tables_main(command) == 0
    assert "URCE on stages 3-4: stopped" in capsys.readouterr().out
    assert tables_main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(runs) == 5, "three rows, then the third again, and the fourth"
    assert runs[3]["urce_stages"] == [3, 4] and runs[4]["urce_stages"] == [4]
    rows = [line for line in lines if line.startswith("URCE on stage")]
    assert len(rows) == 4 and all(0 <= float(row.split()[-2]) <= 100 for row in rows)
    assert tables_main(["nothing", *command[1:]]) == 2
    assert "choose one of kernels, parts, stages, features, patches" in capsys.readouterr().err


def test_validation_scores_the_average_exports_the_best_and_changes_nothing(folder: Path, whole_run: Path) -> None:
    out = folder / "validated"
    output = finish(
        start("--config", config_file(folder, out=str(out), validate_every=6, validate_on=3, tensorboard=True))
    )
    assert output.count("validation mIoU") == 2
    same(load_state(out / "last.pt")["model"], load_state(whole_run / "last.pt")["model"])
    assert (out / "best" / "model-trained.safetensors").exists() and load_state(out / "best.pt")["best"] >= 0
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert {"loss", "lr", "gradient_norm", "validation/mIoU"} <= set(events.Tags()["scalars"])
    assert "masks" in events.Tags()["images"] and any("map_U" in tag for tag in events.Tags()["images"])
    text = (out / "checkpoint" / "README.md").read_text()
    assert "48 in" in text and "Scores on 3 examples of split val" in text and "mIoU" in text
    assert str(folder) not in text and "| text encoder | bert, frozen |" in text


def test_a_card_says_what_is_true_anywhere_and_is_whole_after_a_run_taken_up(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    start_of = train(TrainConfig.load(config_file(folder, out=str(tmp_path / "before"), samples=4))).checkpoint
    changes = {"weights": str(start_of / "model-trained.safetensors"), "out": str(out), "validate_on": 1000}
    changes |= {"phases": [[0.5, 96], [0.5, 160]]}
    cards = []
    for samples in (8, 12):  # validates at step 2, then goes on from there to step 3
        config = TrainConfig.load(config_file(folder, **changes, samples=samples, validate_every=2))
        cards.append((train(config).checkpoint / "README.md").read_text())
    count = len(validation_examples(config))
    for text in cards:
        assert f"Scores on {count} examples of split val" in text and count < 1000
        assert str(folder) not in text and str(tmp_path) not in text
        assert "| started from | model-trained.safetensors |" in text
        assert "| sizes | 50% at 96×96, 50% at the area of 160×160 |" in text
        named = re.search(r'from_pretrained\("(.+)"\)', text)[1]
        assert (tmp_path / named / "model-trained.safetensors").is_file()


def test_the_hash_of_data_tells_lists_apart_in_a_folder_or_alone(tmp_path: Path) -> None:
    one, other = (tmp_path / name / "train.jsonl" for name in ("one", "other"))
    for path in (one, other):
        path.parent.mkdir()
        path.write_text(json.dumps({"photo": "photo.jpg", "mask": "mask.png", "text": path.parent.name}))
    assert data_hash(one) == data_hash(one.parent) != data_hash(other.parent) == data_hash(other)


def test_a_run_as_answering_counts_no_statistics(folder: Path, whole_run: Path) -> None:
    out = folder / "as-answering"
    changes = {"as_answering": True, "samples": 24, "validate_every": 3, "validate_on": 1}
    finish(start("--config", config_file(folder, out=str(out), **changes)))
    mine, theirs = (load_state(run / "last.pt")["model"] for run in (out, whole_run))
    counts = [key for key in mine if key.endswith("num_batches_tracked")]
    assert counts and not any(mine[key] for key in counts) and all(theirs[key] for key in counts)


def test_two_processes_train_together(folder: Path) -> None:
    out = folder / "two"
    config = config_file(folder, out=str(out), batch_size=2, samples=16, save_every=1, validate_every=4, average=0.0)
    launched = ("--standalone", "--nproc-per-node", "2", "-m", "train", "--config", config)
    output = finish(start(*launched, module="torch.distributed.run"))
    assert "effective batch 4 (2 × 1 steps × 2 processes), 4 steps" in output
    state = load_state(out / "last.pt")
    assert (state["step"], state["together"], len(state["random_of_others"])) == (4, 4, 1)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in lines] == [4, 8, 12, 16, 16], "each step is logged once, by one process"
    both = lines[-1]["validation"]["all"]
    model, processor = load_checkpoint(out / "checkpoint", device=torch.device("cpu"), dtype=torch.float32)
    bert = BertModel.from_pretrained(folder / "bert", add_pooling_layer=False)
    model.text_encoder.load_state_dict(bert.state_dict())  # whole: the exported weights are rounded to half precision
    model.load_state_dict(state["model"], strict=False)
    alone = evaluate(model, processor, validation_examples(TrainConfig.load(config))).to_dict()["all"]
    assert both["count"] == alone["count"] > 2
    assert both == pytest.approx(alone, abs=1e-3), "both processes score one model, batch norms' statistics included"


def test_a_second_export_leaves_what_was_not_trained_alone(tmp_path: Path, processor) -> None:
    model = small_model()
    model.text_encoder.requires_grad_(False)
    frozen = never_trained(model)
    export(model, processor, tmp_path, frozen=frozen)
    before = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    with torch.no_grad():
        model.decoder.classifier.bias.add_(1)
    export(model, processor, tmp_path, frozen=frozen)
    after = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    assert after["model-frozen.safetensors"] == before["model-frozen.safetensors"]
    assert after["model-trained.safetensors"] != before["model-trained.safetensors"]
    back = SLViTModel.from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    torch.testing.assert_close(
        back["decoder.classifier.bias"], model.decoder.classifier.bias.detach(), atol=1e-3, rtol=0
    )


def test_gradients_of_two_small_batches_make_one_step(folder: Path) -> None:
    out = folder / "accumulated"
    output = finish(start("--config", config_file(folder, out=str(out), batch_size=2, accumulate=2, samples=16)))
    assert "effective batch 4 (2 × 2 steps × 1 processes), 4 steps" in output
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in lines] == [4, 8, 12, 16]
    assert all(0.1 < line["loss"] < 20 for line in lines), "a step's loss is the mean of its batches"
