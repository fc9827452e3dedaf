"""Every sentence that a visitor may read in an error is there in every language of the page."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import slvit
from slvit.page.sentences import SENTENCES
from slvit.page.texts import ENGLISH, TEXTS
from slvit.processor import EXAMPLE

FOLDER = Path(slvit.__file__).parent
VISITORS = {"PhotoError", "ExpressionError", "BusyError", "FaultError"}
PASSED_ON = {"blocks.py"}  # raises again, word for word, what another process said


def raised() -> set[str]:
    """The English patterns of all errors that reach the page: # for each value."""
    found = set()
    for file in FOLDER.rglob("*.py"):
        errors = VISITORS | ({"CheckpointError"} if file.name == "ask.py" else set())
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in errors and file.name not in PASSED_ON:
                (sentence,) = node.args
                parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
                found.add("".join(part.value if isinstance(part, ast.Constant) else "#" for part in parts))
    return found


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_every_error_of_the_page_has_its_sentence(language: str) -> None:
    known = SENTENCES[language]
    patterns = raised() - set(ENGLISH.values())
    assert len(patterns) > 20 and "# # " not in patterns
    assert patterns <= set(known), f"not said in {language}: {patterns - set(known)}"
    values = {"This file", EXAMPLE}  # what stands for a # and is English itself
    assert set(known) - values <= raised(), "said nowhere"
    assert values <= set(known)
    for english, own in known.items():
        assert own.count("#") == english.count("#") and own.strip() and own != english


def test_the_page_speaks_the_languages_of_its_texts() -> None:
    assert {language[:2] for language in TEXTS} == {"en", *SENTENCES}
