"""The model's meaning: what is always true of it, and the five faults of the authors' release made impossible."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from models import SMALL, TEXT, inputs, small_model
from PIL import Image
from safetensors.torch import save_file

from slvit.checkpoint import BUNDLED
from slvit.config import PRESETS, SLViTConfig
from slvit.model import CELLS_AT_480, NMF, SLViTModel, coordinates_of, in_cells, uncertainty_map
from slvit.processor import SLViTProcessor
from train.config import TrainConfig
from train.optimizer import freeze, parameter_groups, training_mode

SIZES = [(32, 32), (32, 256), (256, 32), (64, 160), (96, 96)]
ABLATIONS = [
    {"kernel_sizes": list(chosen)} for count in (0, 1, 2) for chosen in itertools.combinations((7, 11, 21), count)
]
ABLATIONS += [{"kernel_sizes": [5]}, {"kernel_sizes": [15]}, {"kernel_sizes": [23]}, {"gate": False}, {"urce": False}]
ABLATIONS += [{"urce_stages": [2, 3, 4]}, {"urce_stages": [4]}, {"top_k": 0}, {"top_k": 225}, {"uncertainty": "raw"}]
ABLATIONS += [{"decoder_features": ["plain", "enhanced", "none", "enhanced"]}, {"coordinates": True}]
ABLATIONS += [{"decoder_features": ["none", "enhanced", "enhanced", "enhanced"]}]
ABLATIONS += [{"visual_prior": "efficientnet_lite0"}, {"uncertainty": "standardized"}]


@pytest.fixture(scope="module")
def model() -> SLViTModel:
    return small_model()


# --- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_give_every_shape_of_the_contract(preset: str) -> None:
    text = {**PRESETS[preset]["text_config"], "vocab_size": 60, "num_hidden_layers": 1}
    model = SLViTModel(SLViTConfig.from_preset(preset, text_config=text)).eval()
    B, H, W, T = 2, 64, 96, 5
    with torch.inference_mode():
        output = model(*inputs(B, H, W, T=T), output_insides=True)
    assert output.logits.shape == (B, 2, H, W)
    K = max(1, round(32 / CELLS_AT_480 * 6))
    for number, C in enumerate(model.config.channels):
        size = (H // 2 ** (number + 2), W // 2 ** (number + 2))
        assert output.features[number].shape == output.enhanced_features[number].shape == (B, C, *size)
        assert output.word_scores[number].shape == (B, T, *size)
        assert output.correlation[number].shape == (B, *size)
    assert output.uncertainty.shape == (B, 2, 3)
    assert output.patch_index.shape == (B, K)
    assert output.attention.shape == (B, K, 8, 85, 85)
    assert output.correlation[0].dtype == output.uncertainty.dtype == torch.float32


def test_base_has_the_depths_and_widths_of_the_paper() -> None:
    config = SLViTConfig.from_preset("base")
    assert (config.depths, config.channels) == ([3, 3, 12, 3], [64, 128, 320, 512])
    assert (config.fusion_channels, config.decoder_channels, config.ffn_ratios) == (256, 512, [8, 8, 4, 4])
    assert (config.visual_prior, config.coordinates, config.uncertainty) == (None, False, "raw")


@pytest.mark.parametrize("size", SIZES)
def test_any_aspect_ratio(model: SLViTModel, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        output = model(*inputs(1, *size), output_insides=True)
    assert output.logits.shape[-2:] == size
    assert output.logits.isfinite().all()
    cells = size[0] * size[1] // 1024
    assert output.patch_index.shape[1] == max(1, round(32 / 225 * cells))


def test_a_size_that_is_no_multiple_of_32_is_refused(model: SLViTModel) -> None:
    with pytest.raises(ValueError, match="40×64.*multiples of 32"):
        model(torch.rand(1, 3, 40, 64), *inputs(1, 64, 64)[1:])


@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
def test_every_ablation_trains_and_changes_the_answer(changes: dict) -> None:
    torch.manual_seed(0)
    model = SLViTModel(SLViTConfig(**{**SMALL, **changes}))
    model.train()
    photos, ids, mask = inputs(2, 64, 96)
    F.cross_entropy(model(photos, ids, mask).logits, (photos[:, 0] > 0.5).long()).backward()
    learns = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    assert any(name.startswith("decoder.classifier") for name in learns)
    assert any(name.startswith("stages.0") for name in learns)
    off = changes.get("urce") is False or changes.get("top_k") == 0
    assert any(name.startswith("urce.") for name in learns) is not off
    assert any(".lmfa.strips." in name for name in learns) is bool(model.config.kernel_sizes)


# --- always true ------------------------------------------------------------------------------------------------------


def test_a_batch_of_two_equals_two_singles(model: SLViTModel) -> None:
    photos, ids, mask = inputs(2, 64, 96)
    with torch.inference_mode():
        both = model(photos, ids, mask, output_insides=True)
        for row in range(2):
            one = model(photos[row : row + 1], ids[row : row + 1], mask[row : row + 1], output_insides=True)
            torch.testing.assert_close(both.logits[row : row + 1], one.logits, atol=1e-4, rtol=1e-4)
            assert torch.equal(both.patch_index[row : row + 1], one.patch_index)


def test_padding_words_change_nothing(model: SLViTModel) -> None:
    photos, ids, mask = inputs(1, 64, 96)
    padded = F.pad(ids, (0, 5), value=3)
    with torch.inference_mode():
        bare = model(photos, ids, mask, output_insides=True)
        long = model(photos, padded, F.pad(mask, (0, 5)), output_insides=True)
    torch.testing.assert_close(bare.logits, long.logits, atol=1e-4, rtol=1e-4)
    for a, b in zip(bare.correlation, long.correlation, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert not long.word_scores[3][:, ids.shape[1] :].any()


def test_asking_for_the_insides_changes_no_bit(model: SLViTModel) -> None:
    with torch.inference_mode():
        plain = model(*inputs(1, 64, 96))
        asked = model(*inputs(1, 64, 96), output_insides=True)
    assert torch.equal(plain.logits, asked.logits)
    assert plain.features is None and plain.attention is None and plain.uncertainty is None


def test_the_photo_encoded_beforehand_gives_the_same_bits() -> None:
    model = small_model(visual_prior="efficientnet_lite0")
    photos, ids, mask = inputs(1, 64, 96)
    with torch.inference_mode():
        kept = model.encode_photo(photos)
        assert torch.equal(model(photos, ids, mask).logits, model(photos, ids, mask, prior_features=kept).logits)
    assert [feature.shape[-1] for feature in kept] == [24, 12, 6, 3]


def test_half_precision_weights_load_and_run(tmp_path) -> None:
    model = small_model()
    model.half().save_pretrained(tmp_path)
    halves = SLViTModel.from_pretrained(tmp_path, dtype=torch.float16).eval()
    assert halves.decoder.classifier.weight.dtype == torch.float16
    photos, ids, mask = inputs(1, 64, 64)
    with torch.inference_mode():
        logits = halves(photos.half(), ids, mask).logits
        same = SLViTModel.from_pretrained(tmp_path, dtype=torch.float32).eval()(photos, ids, mask).logits
    assert logits.isfinite().all()
    assert (logits.float() - same).abs().mean() < 0.1 * same.std()


def test_coordinates_run_from_edge_to_edge_and_reach_the_features() -> None:
    grid = coordinates_of(torch.zeros(2, 8, 3, 5))
    assert grid[0, 0, 1].tolist() == [-1, -0.5, 0, 0.5, 1]  # x, from left to right
    assert grid[0, 1, :, 2].tolist() == [-1, 0, 1]  # y, from top to bottom
    photo = torch.full((1, 3, 96, 96), 0.5)  # nothing to see: away from the padding all places look alike
    middle = (slice(None), slice(None), slice(11, 13), slice(11, 13))
    for coordinates in (False, True):
        stage = small_model(coordinates=coordinates).stages[0]
        with torch.inference_mode():
            x = stage.downsample(photo)
            x = x + stage.coord_proj(coordinates_of(x)) if coordinates else x
        assert bool(x[middle].std(dim=3).max() > 1e-4) is coordinates


# --- URCE against a slow loop ----------------------------------------------------------------------------------------


def slow_uncertainty(correlation: list[torch.Tensor], standardized: bool) -> torch.Tensor:
    """Equation 8, cell by cell."""
    B, h, w = correlation[3].shape
    result = torch.zeros(B, h, w)
    for b in range(B):
        for r in range(h):
            for c in range(w):
                means = []
                for number in range(4):
                    p = 2 ** (3 - number)
                    R = correlation[number][b]
                    R = R / R.std(correction=0) if standardized else R
                    means.append(R[r * p : (r + 1) * p, c * p : (c + 1) * p].mean())
                result[b, r, c] = sum((means[i] - means[i - 1]).abs() for i in (1, 2, 3))
    return result


@pytest.mark.parametrize("standardized", [False, True])
def test_uncertainty_equals_the_loop_of_equation_8(standardized: bool) -> None:
    torch.manual_seed(0)
    correlation = [torch.randn(2, 2 * 2**i, 3 * 2**i) * (i + 1) for i in (3, 2, 1, 0)]
    fast = uncertainty_map(correlation, standardized=standardized)
    torch.testing.assert_close(fast, slow_uncertainty(correlation, standardized))


@torch.no_grad()
@pytest.mark.parametrize("stages", [[1, 2, 3, 4], [2, 4]])
def test_urce_equals_the_loop_of_equations_9_to_12(stages: list[int]) -> None:
    model = small_model(urce_stages=stages)
    output = model(*inputs(2, 64, 160), output_insides=True)
    urce, (h, w) = model.urce, output.uncertainty.shape[-2:]
    for b in range(2):
        order = sorted(range(h * w), key=lambda j: -float(output.uncertainty[b, j // w, j % w]))
        K = round(32 / 225 * h * w)
        assert output.patch_index[b].tolist() == order[:K]  # eq. 9, falling order
        expected = [feature[b].clone() for feature in output.features]
        for at, j in enumerate(order[:K]):
            row, column = j // w, j % w
            tokens, where = [], []
            for number in range(4):
                if number + 1 not in stages:
                    continue
                p = 2 ** (3 - number)
                for y in range(row * p, (row + 1) * p):
                    for x in range(column * p, (column + 1) * p):
                        tokens.append(urce.unify[number](output.features[number][b, :, y, x]))  # eq. 10
                        where.append((number, y, x))
            X = torch.stack(tokens)  # N×C_f
            N, C_f = X.shape
            q, k, v = urce.qkv(urce.norm(X)).chunk(3, dim=1)
            heads = []
            for head in range(8):
                d = slice(head * C_f // 8, (head + 1) * C_f // 8)
                weights = (q[:, d] @ k[:, d].T / (C_f // 8) ** 0.5).softmax(dim=1)
                torch.testing.assert_close(output.attention[b, at, head], weights, atol=1e-4, rtol=1e-3)
                heads.append(weights @ v[:, d])
            X = X + urce.proj(torch.cat(heads, dim=1))  # eq. 11
            for token, (number, y, x) in zip(X, where, strict=True):
                expected[number][:, y, x] = urce.reverse[number](token)  # eq. 12
        for number in range(4):
            torch.testing.assert_close(output.enhanced_features[number][b], expected[number], atol=1e-4, rtol=1e-3)


# --- the five faults of the authors' release --------------------------------------------------------------------------


def test_fault_1_the_uncertainty_depends_on_the_words_and_is_not_rounding(model: SLViTModel) -> None:
    photos, ids, mask = inputs(1, 96, 96)
    with torch.inference_mode():
        one = model(photos, ids, mask, output_insides=True)
        other = model(photos, ids.flip(1) - 1, mask, output_insides=True)
    assert (one.uncertainty - other.uncertainty).abs().max() > 0.05 * one.uncertainty.std()
    assert one.uncertainty.std() > 0.01 * one.uncertainty.mean()
    summed = [R.std() for R in one.correlation]
    assert min(summed) > 1e-3, "R_i was summed after the softmax: it is 1 everywhere"


def test_fault_2_patches_are_those_of_the_index_on_a_photo_that_is_not_square(model: SLViTModel) -> None:
    with torch.inference_mode():
        output = model(*inputs(1, 320, 512), output_insides=True)
    h, w = 10, 16
    chosen = {(j // w, j % w) for j in output.patch_index[0].tolist()}
    for number in range(4):
        p = 2 ** (3 - number)
        changed = (output.features[number] != output.enhanced_features[number])[0].any(0)  # H_i×W_i
        assert changed.shape == (h * p, w * p)
        cells = {(int(y) // p, int(x) // p) for y, x in changed.nonzero()}
        assert cells == chosen


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("frozen", [[], ["text_encoder", "prior"]])
def test_fault_3_every_trainable_parameter_is_in_exactly_one_group(preset: str, frozen: list[str]) -> None:
    text = {**TEXT, "hidden_size": 32}
    model = SLViTModel(SLViTConfig.from_preset(preset, text_config=text, visual_prior="efficientnet_lite0"))
    freeze(model, frozen)
    groups = parameter_groups(model, TrainConfig(lr_text=0.1, layer_decay=0.8))
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trainable = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(trainable)
    assert {"urce.qkv.weight", "decoder.classifier.bias"} <= set(trainable.values())
    assert ("text_encoder.embeddings.word_embeddings.weight" in trainable.values()) is (not frozen)


def test_fault_4_the_same_call_gives_the_same_bits(model: SLViTModel, tmp_path) -> None:
    with torch.inference_mode():
        first = model(*inputs(1, 64, 96)).logits
        torch.rand(100)
        assert torch.equal(first, model(*inputs(1, 64, 96)).logits)
        model.save_pretrained(tmp_path)
        assert torch.equal(first, SLViTModel.from_pretrained(tmp_path).eval()(*inputs(1, 64, 96)).logits)
    assert torch.equal(NMF.seeded_bases(64, 8), NMF.seeded_bases(64, 8))


def test_fault_5_only_the_chosen_patches_change(model: SLViTModel) -> None:
    with torch.inference_mode():
        output = model(*inputs(2, 64, 160), output_insides=True)
    h, w = output.uncertainty.shape[-2:]
    for b in range(2):
        chosen = torch.zeros(h * w, dtype=torch.bool)
        chosen[output.patch_index[b]] = True
        for number in range(4):
            p = 2 ** (3 - number)
            before = in_cells(output.features[number], p)[b].flatten(0, 1)  # hw×p×p×C
            after = in_cells(output.enhanced_features[number], p)[b].flatten(0, 1)
            assert torch.equal(before[~chosen], after[~chosen])
            assert (before[chosen] != after[chosen]).flatten(1).any(dim=1).all()


# --- decoder, prior, classes -----------------------------------------------------------------------------------------


def test_squeezing_before_upsampling_equals_concatenating_first() -> None:
    model = small_model()
    features = [torch.randn(1, C, 16 // 2**i, 24 // 2**i) for i, C in enumerate(model.config.channels)]
    decoder = model.decoder
    size = features[0].shape[-2:]
    together = torch.cat([F.interpolate(f, size=size, mode="bilinear", align_corners=False) for f in features], dim=1)
    kernel = torch.cat([squeeze.weight for squeeze in decoder.squeeze], dim=1)
    x = F.relu(decoder.squeeze_norm(F.conv2d(together, kernel)))
    ham = decoder.nmf(F.relu(decoder.ham_in(x)).flatten(2)).unflatten(2, size)
    x = F.relu(decoder.align(F.relu(x + decoder.ham_out(ham))))
    torch.testing.assert_close(decoder(features)[0], decoder.classifier(x), atol=1e-4, rtol=1e-4)


def test_nmf_approximates_better_with_each_update_and_passes_gradient_once() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 64, 8) @ torch.rand(1, 8, 100)
    errors = [(NMF(64, rank=8, steps=steps)(x) - x).norm().item() for steps in (1, 3, 6, 12)]
    assert errors == sorted(errors, reverse=True)
    x.requires_grad_()
    NMF(64, rank=8, steps=6)(x).sum().backward()
    assert x.grad.isfinite().all() and x.grad.any()


def test_float32_where_autocast_would_lose_it(model: SLViTModel) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        output = model(*inputs(1, 64, 64), output_insides=True)
    assert {x.dtype for x in (*output.word_scores, *output.correlation, output.uncertainty)} == {torch.float32}


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    model = small_model(visual_prior="efficientnet_lite0")
    freeze(model, ["text_encoder", "prior"])
    training_mode(model)
    before = {key: value.clone() for key, value in model.prior.state_dict().items()}
    model(*inputs(2, 64, 64))
    assert not model.prior.training and not model.text_encoder.training and model.stages[0].training
    assert all(torch.equal(value, before[key]) for key, value in model.prior.state_dict().items())


def test_training_as_answering_sees_what_the_answer_sees() -> None:
    model = small_model(visual_prior="efficientnet_lite0")
    freeze(model, [])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        answered = model.eval()(*inputs(2, 64, 64)).logits
    training_mode(model, as_answering=True)
    learned = model(*inputs(2, 64, 64)).logits
    assert torch.equal(learned, answered)
    learned.sum().backward()
    assert model.stages[0].blocks[0].norm1.weight.grad.any() and model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    training_mode(model)
    assert not torch.equal(model(*inputs(2, 64, 64)).logits, answered)


def test_frozen_first_stages_spare_their_backward_pass() -> None:
    model = small_model(visual_prior="efficientnet_lite0")
    freeze(model, ["stages.0", "stages.2", "prior"])
    assert model.frozen_stages == 1
    training_mode(model)
    assert not model.stages[0].training and model.stages[2].training
    output = model(*inputs(2, 64, 64), output_insides=True)
    assert not output.features[0].requires_grad and output.features[1].requires_grad
    output.logits.sum().backward()
    assert model.stages[1].blocks[0].proj_in.weight.grad is not None  # and what lies below stage 3 still learns
    assert model.text_encoder.embeddings.word_embeddings.weight.grad is not None
    freeze(model, ["prior"])
    training_mode(model)
    assert model.frozen_stages == 0 and model.stages[0].training
    assert model(*inputs(2, 64, 64), output_insides=True).features[0].requires_grad


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointed in (False, True):
        model = small_model()
        model.checkpoint_blocks(checkpointed)
        model.train()
        model(*inputs(2, 64, 64)).logits.square().mean().backward()
        gradients.append(model.stages[1].blocks[0].proj_in.weight.grad)
    torch.testing.assert_close(*gradients)


def test_an_unknown_field_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="'kernel_size'.*'kernel_sizes'"):
        SLViTConfig(kernel_size=[7])
    with pytest.raises(ValueError, match="decoder_features"):
        SLViTConfig(decoder_features=["none"] * 4)
    with pytest.raises(ValueError, match="no preset 'huge'"):
        SLViTConfig.from_preset("huge")


@pytest.mark.parametrize(
    "changes",
    [{name: []} for name in ("channels", "depths", "ffn_ratios", "decoder_features", "urce_stages")]
    + [{"urce_stages": [4, 4]}, {"kernel_sizes": [7, 7]}]
    + [{name: [2, 2, 2, wrong]} for name in ("channels", "depths", "ffn_ratios") for wrong in (0, 2.0, True, "2")]
    + [
        {name: wrong}
        for name in ("fusion_channels", "decoder_channels", "nmf_rank", "nmf_steps")
        for wrong in (0, -64, 64.0, "64")
    ],
    ids=str,
)
def test_what_no_model_can_be_built_from_is_named(changes: dict) -> None:
    with pytest.raises(ValueError, match=f"SLViTConfig.{next(iter(changes))} "):
        SLViTConfig(**changes)


def test_no_strips_and_no_stages_of_a_urce_that_is_off_are_no_mistakes() -> None:
    config = SLViTConfig(kernel_sizes=[], urce=False, urce_stages=[])
    assert config.kernel_sizes == config.urce_stages == []


def test_config_survives_saving(tmp_path) -> None:
    config = SLViTConfig(**SMALL, gate=False, urce_stages=[1, 4], coordinates=True)
    config.save_pretrained(tmp_path)
    back = SLViTConfig.from_pretrained(tmp_path)
    assert (back.gate, back.urce_stages, back.coordinates, back.text_config.hidden_size) == (False, [1, 4], True, 32)


def test_auto_classes_know_slvit(tmp_path) -> None:
    from transformers import AutoConfig, AutoModel

    small_model().save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), SLViTConfig)
    assert isinstance(AutoModel.from_pretrained(tmp_path), SLViTModel)


def test_weights_of_half_precision_answer_the_processors_photos() -> None:
    model, processor = SLViTModel.from_pretrained(BUNDLED), SLViTProcessor.from_pretrained(BUNDLED)
    assert model.dtype == torch.float16
    question = processor(Image.new("RGB", (96, 64), "teal"), "the dog")
    encoded = model.eval().encode_photo(question["pixel_values"])
    with torch.inference_mode():
        output = model(**question, prior_features=encoded)
    assert output.logits.shape[-2:] == question["pixel_values"].shape[-2:] and output.logits.isfinite().all()


def test_pickled_weights_are_not_read(tmp_path) -> None:
    model = small_model()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError):
        SLViTModel.from_pretrained(tmp_path, use_safetensors=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "model.safetensors")
    SLViTModel.from_pretrained(tmp_path, use_safetensors=True)
