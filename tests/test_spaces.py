"""The repository starts as a Hugging Face Space as it is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import gradio
import pytest

from slvit.page.examples import photo_path
from tests.space_rules import ROOT, faults


def test_the_repository_keeps_the_rules():
    assert faults() == []


@pytest.fixture
def copy(tmp_path) -> Path:
    """The files that the rules are about, to be spoilt."""
    for name in ("README.md", "requirements.txt", "constraints.txt", "pyproject.toml", "app.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "slvit").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("README.md", "colorFrom: pink", "colorFrom: crimson", "crimson"),
        ("README.md", "sdk_version: 6", "sdk_version: 5", "make them one"),
        ("README.md", 'python_version: "3.12"', "python_version: 3.12", "quoted"),
        ("README.md", 'python_version: "3.12"', 'python_version: "3.13"', "not on ZeroGPU"),
        (
            "README.md",
            "short_description: ",
            "short_description: All that one could ever wish to say of it and more. ",
            "at most 60",
        ),
        ("README.md", "app_file: app.py", "app_file: main.py", "main.py"),
        ("README.md", "suggested_hardware: cpu-basic", "suggested_hardware: abacus", "abacus"),
        ("README.md", "emoji: 🎯", "emoji: X", "no emoji"),
        ("README.md", "---\ntitle", "title", "front matter"),
        ("requirements.txt", "torch>=2.8,<2.15", "torch>=2.12,<2.15", "no version of ZeroGPU"),
        ("app.py", "import argparse", "import argparse\nimport torch", "other way round"),
        ("app.py", "except ImportError", "except KeyError", "without a guard"),
    ],
)
def test_a_broken_rule_is_named(copy, name, old, new, said):
    assert faults(copy) == []
    text = (copy / name).read_text("utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1), "utf-8")
    found = faults(copy)
    assert any(said in fault for fault in found), found


def test_zero_gpu_lends_a_gpu_to_the_answer_and_to_nothing_before(monkeypatch, checkpoint):
    """On ZeroGPU there is a GPU only inside the decorated function: the app may not warm up outside it."""
    lent = []
    spaces = ModuleType("spaces")
    spaces.GPU = lambda duration: lambda function: lambda *arguments: lent.append(1) or function(*arguments)
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.delitem(sys.modules, "app", raising=False)
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", str(checkpoint), "--device", "cpu"])
    import app

    asked = []
    segment = app.ReferringSegmenter.segment
    monkeypatch.setattr(app.ReferringSegmenter, "segment", lambda *a, **o: asked.append(len(lent)) or segment(*a, **o))
    pages = []
    monkeypatch.setattr(gradio.Blocks, "launch", lambda page, **options: pages.append(page))
    app.main()
    assert asked == [] and len(pages) == 1
    endpoint = next(function for function in pages[0].fns.values() if function.api_name == "segment")
    endpoint.fn(str(photo_path("cow.jpg")), "the dog", 0.5)
    assert asked == [1]  # asked once, with the GPU lent
