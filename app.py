"""Serves the page: a photo and an expression in, a mask and the network's insides out.

python app.py [--checkpoint FOLDER_OR_ID ...] [--device auto|cpu|cuda] [--host 127.0.0.1] [--port 7860] [--share]
    [--size PIXELS[+PIXELS]]
"""

from __future__ import annotations

import argparse
import importlib.util
import os

try:
    import spaces  # before torch, on Hugging Face ZeroGPU
except ImportError:
    spaces = None

from PIL import Image

from slvit.arguments import SIZE, sizes
from slvit.checkpoint import BUNDLED
from slvit.errors import CheckpointError
from slvit.page import build_page, launch_options
from slvit.page.log import log_without_messages
from slvit.page.uploads import private_uploads
from slvit.segmenter import ReferringSegmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", nargs="+", default=[str(BUNDLED)], metavar="FOLDER_OR_ID")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
    parser.add_argument("--share", action="store_true", help="also make a public link")
    parser.add_argument("--size", type=sizes, help=SIZE)
    arguments = parser.parse_args()
    log_without_messages()
    segmenters, problems = {}, []
    for name in arguments.checkpoint:
        try:
            segmenter = ReferringSegmenter.from_pretrained(name, device=arguments.device, size=arguments.size)
            if not os.environ.get("SPACES_ZERO_GPU"):  # there, no GPU is lent before someone asks
                segmenter.segment(Image.new("RGB", (64, 48)), "warm up")  # the first call sets up kernels and memory
            segmenters[segmenter.name if segmenter.name not in segmenters else name] = segmenter
        except CheckpointError as error:
            problems.append(str(error))
            print(f"slvit: {error}")
    gpu = spaces.GPU(duration=30) if spaces else lambda function: function
    with private_uploads():
        page = build_page(segmenters, problem=" ".join(problems), gpu=gpu)
        page.launch(
            server_name=arguments.host,
            server_port=arguments.port,
            share=arguments.share or None,
            mcp_server=importlib.util.find_spec("mcp") is not None,
            **launch_options(),
        )


if __name__ == "__main__":
    main()
