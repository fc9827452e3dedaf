"""Checks the repository against the rules of Hugging Face Spaces, on CPU basic and on ZeroGPU, before it is uploaded.

python -m tests.space_rules    prints what would not start or not be shown, and ends with 1; with 0 when there is none
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import SpaceHardware, metadata_load
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LONGEST_DESCRIPTION = 60
# Read in August 2026 in the documentation of Spaces and of ZeroGPU.
ZERO_GPU_PYTHON = ("3.12.12", "3.10.13")
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
LARGEST_FILE = 50 * 10**9  # bytes
LARGEST_REPOSITORY = 10**9  # bytes: what a Space builds from quickly; there is no hard rule


def faults(root: Path = ROOT) -> list[str]:
    """A sentence for each rule that the repository at `root` breaks."""
    try:
        front = metadata_load(root / "README.md")
    except yaml.YAMLError as error:
        return [f"README.md: its front matter is not YAML: {error}."]
    if front is None:
        return ["README.md has no front matter: it must begin with --- and the Space's settings."]
    required = requirements(root / "requirements.txt")
    return [*front_faults(front, root, required), *zero_gpu_faults(front, root, required), *file_faults(root)]


def requirements(file: Path) -> dict[str, Requirement]:
    """The requirements of a file by their name; comments and options are left out."""
    lines = [line.split("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    named = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {requirement.name.lower(): requirement for requirement in named}


def front_faults(front: dict[str, Any], root: Path, required: dict[str, Requirement]) -> list[str]:
    found = []
    for key in ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "app_file", "license"):
        if not front.get(key):
            found.append(f"README.md: {key} is missing.")
    if found:
        return found
    for key in ("colorFrom", "colorTo"):
        if front[key] not in COLOURS:
            found.append(f"README.md: {key} is {front[key]}, but must be one of {', '.join(sorted(COLOURS))}.")
    if front["emoji"].isascii():
        found.append(f"README.md: emoji is {front['emoji']}, which is no emoji.")
    description = front.get("short_description", "")
    if len(description) > LONGEST_DESCRIPTION:
        found.append(f"README.md: short_description has {len(description)} letters, at most {LONGEST_DESCRIPTION} fit.")
    hardware = front.get("suggested_hardware")
    if hardware and hardware not in {kind.value for kind in SpaceHardware}:
        found.append(f"README.md: suggested_hardware is {hardware}, which Spaces does not have.")
    if front["sdk"] != "gradio":
        found.append(f"README.md: sdk is {front['sdk']}, but the page is Gradio's.")
    if not (root / front["app_file"]).is_file():
        found.append(f"README.md: app_file is {front['app_file']}, which is not in the repository.")
    # Gradio is installed from sdk_version, not from requirements.txt: the two must agree, and be what tests ran with.
    version = str(front["sdk_version"])
    tested = re.search(r"^gradio==([\d.]+)", (root / "constraints.txt").read_text("utf-8"), re.MULTILINE)[1]
    if version != tested:
        found.append(f"README.md: sdk_version is {version}, but constraints.txt has gradio=={tested}: make them one.")
    if not required["gradio"].specifier.contains(version):
        found.append(f"README.md: sdk_version {version} is outside gradio{required['gradio'].specifier}.")
    python = front.get("python_version")
    if not isinstance(python, str) or not re.fullmatch(r"3\.\d+(\.\d+)?", python):
        found.append(f'README.md: python_version is {python!r}, but must be quoted text such as "3.12".')
    else:
        project = (root / "pyproject.toml").read_text("utf-8")
        least = re.search(r'requires-python = ">=([\d.]+)"', project)[1]
        if Version(python) < Version(least):
            found.append(f"README.md: python_version {python} is older than {least}, which pyproject.toml asks for.")
    return found


def zero_gpu_faults(front: dict[str, Any], root: Path, required: dict[str, Requirement]) -> list[str]:
    found = []
    python = str(front.get("python_version", "3.10"))
    if not any(offered == python or offered.startswith(f"{python}.") for offered in ZERO_GPU_PYTHON):
        found.append(f"README.md: python_version {python} is not on ZeroGPU: {', '.join(ZERO_GPU_PYTHON)}.")
    torch = required["torch"].specifier
    if not any(torch.contains(offered) for offered in ZERO_GPU_TORCH):
        found.append(f"requirements.txt: torch{torch} allows no version of ZeroGPU: {', '.join(ZERO_GPU_TORCH)}.")
    app_file = root / front.get("app_file", "app.py")
    app = app_file.read_text("utf-8") if app_file.is_file() else ""
    spaces, torch_at = app.find("import spaces"), re.search(r"^(import torch|from (torch|slvit))", app, re.MULTILINE)
    if spaces < 0:
        found.append("app.py does not import spaces: ZeroGPU would lend it no GPU.")
    elif torch_at and torch_at.start() < spaces:
        found.append("app.py imports torch before spaces: ZeroGPU needs it the other way round.")
    elif "except ImportError" not in app:
        found.append("app.py imports spaces without a guard: it would not start anywhere else.")
    compiles = re.compile(r"torch\.compile\(")
    if compiles.search(app) or any(compiles.search(file.read_text("utf-8")) for file in root.glob("slvit/**/*.py")):
        found.append("torch.compile is used, which ZeroGPU does not have.")
    return found


def file_faults(root: Path) -> list[str]:
    found, total = [], 0
    for file in tracked(root):
        size = file.stat().st_size
        total += size
        if size > LARGEST_FILE:
            found.append(
                f"{file.relative_to(root)} has {size / 1e9:.0f} GB, at most {LARGEST_FILE / 1e9:.0f} are taken."
            )
        if size < 200 and file.read_bytes().startswith(b"version https://git-lfs"):
            found.append(f"{file.relative_to(root)} is only a pointer: run git lfs pull before the upload.")
    if total > LARGEST_REPOSITORY:
        found.append(f"All files together have {total / 1e9:.1f} GB: a Space should stay below 1 GB.")
    packages = root / "packages.txt"
    if packages.is_file() and not all(
        re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line) for line in packages.read_text("utf-8").split()
    ):
        found.append("packages.txt must hold names of Debian packages alone, one a line.")
    return found


def tracked(root: Path) -> list[Path]:
    """The files that an upload takes: those that git knows, or all where there is no git."""
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=False)
    names = [name for name in listing.stdout.split("\0") if name]
    files = [root / name for name in names] if names else list(root.rglob("*"))
    return [file for file in files if file.is_file()]


def main() -> None:
    found = faults()
    print("\n".join(found) or "The repository keeps the rules of Hugging Face Spaces.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
