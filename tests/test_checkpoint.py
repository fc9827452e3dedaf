"""A whole checkpoint loads to the bit; a damaged, foreign or unsafe one is refused by a sentence naming the file."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from slvit import ReferringSegmenter, SLViTModel, SLViTProcessor
from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.errors import CheckpointError
from train.export import export

FROZEN, TRAINED = "model-frozen.safetensors", "model-trained.safetensors"


@pytest.fixture
def damaged(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of a whole checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "damaged"))


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_weights(path: Path, change: Callable[[dict], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def load(folder: Path) -> tuple[SLViTModel, SLViTProcessor]:
    return load_checkpoint(folder, device=torch.device("cpu"), dtype=torch.float32)


def refusal(folder: Path | str) -> str:
    with pytest.raises(CheckpointError) as caught:
        ReferringSegmenter.from_pretrained(folder, device="cpu")
    return str(caught.value)


def test_loads_every_weight_to_the_bit(checkpoint: Path, model: SLViTModel) -> None:
    whole, _ = load(checkpoint)
    loaded = whole.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in model.state_dict().items())
    assert not whole.training
    segmenter = ReferringSegmenter.from_pretrained(checkpoint, device="cpu")
    assert segmenter.name == "small" and segmenter.device.type == "cpu"
    assert segmenter.processor.image_processor.size == 128


def test_half_precision_is_loaded_to_float32(model: SLViTModel, processor: SLViTProcessor, tmp_path: Path) -> None:
    export(model, processor, tmp_path, frozen=set(), dtype=torch.float16)
    loaded, _ = load(tmp_path)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32, torch.int64}
    assert torch.equal(loaded.decoder.classifier.weight, model.decoder.classifier.weight.half().float())


def test_what_hugging_face_saves_loads_too(model: SLViTModel, processor: SLViTProcessor, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    loaded = load(tmp_path)[0].state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in model.state_dict().items())


def test_the_bundled_checkpoint_loads() -> None:
    assert ReferringSegmenter.from_pretrained(BUNDLED, device="cpu").model.config.visual_prior == "efficientnet_lite2"


def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_the_hub(*_: object, **__: object) -> None:
        raise AssertionError("A path with a typing error must not leave this machine.")

    monkeypatch.setattr("slvit.checkpoint.snapshot_download", ask_the_hub)
    monkeypatch.chdir(BUNDLED.parents[1])
    for name in (tmp_path / "none", "checkpoints/slvit-tinny", "slvit-tiny", "./a/b", "../x", "a/b/c"):
        assert "There is no checkpoint folder" in refusal(name)


def test_an_unreachable_hub_is_one_sentence() -> None:
    assert "the Hugging Face hub gave none of that name" in refusal("nobody/nothing")


def test_a_hub_id_is_downloaded_without_pickles(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def download(name: str, *, allow_patterns: list[str]) -> str:
        asked[name] = allow_patterns
        return str(checkpoint)

    monkeypatch.setattr("slvit.checkpoint.snapshot_download", download)
    assert ReferringSegmenter.from_pretrained("owner/slvit-x", device="cpu").name == "slvit-x"
    assert asked == {"owner/slvit-x": ["*.json", "*.safetensors", "*.txt"]}


def test_a_file_instead_of_a_folder(checkpoint: Path) -> None:
    assert "config.json is a file: give the folder" in refusal(checkpoint / "config.json")


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", FROZEN, TRAINED]
)
def test_a_missing_file_is_named(damaged: Path, name: str) -> None:
    (damaged / name).unlink()
    assert f"{name} is missing" in refusal(damaged)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json"])
def test_broken_json_is_named(damaged: Path, name: str, content: bytes) -> None:
    (damaged / name).write_bytes(content)
    assert name in refusal(damaged)


def test_an_unknown_config_key_names_the_nearest(damaged: Path) -> None:
    edit(damaged / "config.json", lambda config: config.update(topk=3))
    sentence = refusal(damaged)
    assert "config.json" in sentence and "'topk'" in sentence and "'top_k'" in sentence


def test_another_kind_of_model(damaged: Path) -> None:
    edit(damaged / "config.json", lambda config: config.update(model_type="bert"))
    assert "is of a model of type 'bert', not 'slvit'" in refusal(damaged)


def test_an_impossible_preprocessor(damaged: Path) -> None:
    edit(damaged / "preprocessor_config.json", lambda config: config.update(size=7))
    assert "size is 7" in refusal(damaged)


def test_a_pickle_is_refused_unopened(damaged: Path) -> None:
    for path in damaged.glob("model*"):
        path.unlink()
    (damaged / "pytorch_model.bin").write_bytes(b"never read")
    sentence = refusal(damaged)
    assert "pytorch_model.bin is a pickle" in sentence and "safetensors" in sentence
    (damaged / "pytorch_model.bin").unlink()
    assert "model.safetensors is missing" in refusal(damaged)


class Malicious:
    """A pickle that writes a file when it is opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("save", [lambda content, path: path.write_bytes(pickle.dumps(content)), torch.save])
@pytest.mark.parametrize("name", ["model.safetensors", TRAINED, "pytorch_model.bin", "tokenizer.json", "config.json"])
def test_a_malicious_pickle_under_any_name_never_runs(
    damaged: Path, tmp_path: Path, name: str, save: Callable[[object, Path], object]
) -> None:
    if name == "pytorch_model.bin":
        for path in damaged.glob("model*"):
            path.unlink()
    save({"weights": Malicious(tmp_path / "trace")}, damaged / name)
    sentence = refusal(damaged)
    assert name in sentence and sentence.endswith(".")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_code_that_comes_with_a_checkpoint_never_runs(damaged: Path, tmp_path: Path, name: str) -> None:
    (damaged / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\nclass Evil: pass\n")
    classes = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor")
    edit(damaged / name, lambda config: config.update(auto_map=dict.fromkeys(classes, "evil.Evil")))
    try:
        ReferringSegmenter.from_pretrained(damaged, device="cpu")
    except CheckpointError as error:
        assert "trust_remote_code" in str(error) or name in str(error)
    assert not (tmp_path / "trace").exists()


def test_a_config_of_a_later_format(damaged: Path) -> None:
    edit(damaged / "config.json", lambda config: config.update(slvit_format=2))
    assert "is of format 2, this release reads 1: install a newer one" in refusal(damaged)
    edit(damaged / "config.json", lambda config: config.update(slvit_format=1))
    ReferringSegmenter.from_pretrained(damaged, device="cpu")


EDITED = """
import sys
from pathlib import Path
from PIL import Image
from slvit import ReferringSegmenter
folder = Path(sys.argv[1])
segmenter = ReferringSegmenter.from_pretrained(folder, device="cpu")
before = segmenter.segment(Image.new("RGB", (90, 70)), "the dog").probability
for file in folder.iterdir():
    with file.open("r+b") as content:
        content.truncate(0)  # what a copy that starts over does
after = segmenter.segment(Image.new("RGB", (90, 70)), "red cat").probability
again = segmenter.segment(Image.new("RGB", (90, 70)), "the dog").probability
sys.exit(not ((again == before).all() and (after != before).any()))
"""


def test_a_folder_edited_while_the_app_runs_does_not_bring_it_down(damaged: Path) -> None:
    done = subprocess.run(  # of its own: were the files still mapped into memory, the process would be killed
        [sys.executable, "-c", EDITED, str(damaged)], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_weights_cut_short(damaged: Path, keep: int) -> None:
    path = damaged / TRAINED
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{TRAINED} is damaged" in refusal(damaged)


def test_a_pointer_instead_of_weights(damaged: Path) -> None:
    (damaged / TRAINED).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert f"{TRAINED} is only a Git LFS pointer" in refusal(damaged)


def test_a_shard_outside_the_folder(damaged: Path, tmp_path: Path) -> None:
    shutil.copy(damaged / TRAINED, tmp_path / "elsewhere.safetensors")
    index = damaged / "model.safetensors.index.json"
    edit(index, lambda content: content["weight_map"].update(x="../elsewhere.safetensors"))
    assert "../elsewhere.safetensors" in refusal(damaged)


def test_weights_that_do_not_fit(damaged: Path) -> None:
    key = "decoder.classifier.weight"
    edit_weights(damaged / TRAINED, lambda tensors: tensors.update({key: torch.zeros(2, 7, 1, 1)}))
    assert f"in another shape, {key}" in refusal(damaged)
    edit_weights(damaged / TRAINED, lambda tensors: tensors.pop(key))
    edit(damaged / "model.safetensors.index.json", lambda content: content["weight_map"].pop(key))
    assert f"lack {key}" in refusal(damaged)


def shorten(folder: Path, part: str, field: str, length: int) -> None:
    """Keeps the first `length` rows of a table of the text encoder."""
    key = f"text_encoder.embeddings.{part}_embeddings.weight"
    edit_weights(folder / FROZEN, lambda tensors: tensors.update({key: tensors[key][:length].clone()}))
    edit(folder / "config.json", lambda config: config["text_config"].update({field: length}))


def test_a_text_encoder_without_the_last_word_of_the_tokenizer(damaged: Path) -> None:
    """Otherwise the first expression that has it would end in an error."""
    words = json.loads((damaged / "config.json").read_text())["text_config"]["vocab_size"]
    shorten(damaged, "word", "vocab_size", words - 1)
    assert "text_config.vocab_size" in refusal(damaged)


def test_a_text_encoder_of_fewer_positions_reads_as_many_words(damaged: Path) -> None:
    shorten(damaged, "position", "max_position_embeddings", 16)
    segmentation = ReferringSegmenter.from_pretrained(damaged, device="cpu").segment(
        Image.new("RGB", (64, 64)), "dog " * 40
    )
    assert 1 <= len(segmentation.words.read) < 40 and segmentation.words.unread


@pytest.mark.parametrize(
    "content",
    [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 5}}, {"weight_map": {"a": [5]}}],
    ids=str,
)
def test_a_damaged_list_of_shards(damaged: Path, content: dict) -> None:
    (damaged / "model.safetensors.index.json").write_text(json.dumps(content))
    assert "model.safetensors.index.json is damaged: copy the checkpoint again." in refusal(damaged)


def test_weights_of_a_larger_model(damaged: Path) -> None:
    edit(damaged / "config.json", lambda config: config.update(coordinates=False))
    assert "unknown to the model, stages.0.coord_proj.weight and 3 more" in refusal(damaged)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "no such thing"])
def test_a_device_that_is_not_there(checkpoint: Path, device: str) -> None:
    with pytest.raises(CheckpointError, match=f"no device '{device}' here: use 'cpu'"):
        ReferringSegmenter.from_pretrained(checkpoint, device=device)
