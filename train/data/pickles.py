"""Pickles of plain values, opened without running anything that stands in them."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

# Containers that older pickles name as classes; numbers, strings, lists, tuples and dicts need no name.
PLAIN = {("builtins", "set"): set, ("builtins", "frozenset"): frozenset, ("collections", "OrderedDict"): OrderedDict}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in PLAIN:
            return PLAIN[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_plain(path: Path) -> Any:
    """The value in a pickle that holds nothing but containers, strings and numbers, Python 2's among them.

    Raises FileNotFoundError, or ValueError for a file that is damaged or asks for anything else, which is not run.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="latin-1").load()
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is no pickle of plain values ({error}): nothing of it was run, get it anew."
        ) from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path} is damaged or cut short: get it anew.") from error
