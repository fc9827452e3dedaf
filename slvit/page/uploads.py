"""Where uploads and the pictures of answers lie: a folder of this server alone, gone when it ends."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private_uploads() -> Iterator[Path]:
    """Makes a fresh folder, within GRADIO_TEMP_DIR where that is set, Gradio's folder until the block ends.

    Gradio serves everything in its folder to everyone, and by default all its apps on a machine share one.
    To be entered before the page is built. SIGTERM ends the block, too.
    """
    above = os.environ.get("GRADIO_TEMP_DIR")
    if above:
        Path(above).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="slvit-", dir=above, ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        for name in ("gradio.mcp", "gradio.routes", "gradio.route_utils"):  # these have read the variable on import
            if hasattr(sys.modules.get(name), "DEFAULT_TEMP_DIR"):
                sys.modules[name].DEFAULT_TEMP_DIR = folder
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        yield Path(folder)
