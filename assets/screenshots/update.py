"""Makes the README's five pictures: walks through the page as the browser tests do, and cuts what they saw.

.venv/bin/python assets/screenshots/update.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ARTEFACTS = ROOT / "test-artefacts"  # where the walk leaves its screenshots
WALK = ["tests/browser/test_walk.py", "-k", "test_walk and (1440-light or 390-dark)"]
TALLEST = {"answer": 1375, "stages": 795, "phone": 1500}  # pixels kept from the top; the rest is more of the same
PICTURES = {
    "answer": "stages-1440-light",
    "stages": "tab-stages-1440-light",
    "uncertainty": "tab-uncertainty-1440-light",
    "words": "tab-words-1440-light",
    "phone": "stages-390-dark",
}


def main() -> None:
    subprocess.run([sys.executable, "-m", "pytest", *WALK], cwd=ROOT, check=True)
    for name, artefact in PICTURES.items():
        picture = Image.open(ARTEFACTS / f"{artefact}.png").convert("RGB")
        picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST.get(name, picture.height))))
        if artefact.startswith("tab-"):  # a margin of the page's own paper
            picture = ImageOps.expand(picture, 20, picture.getpixel((0, picture.height - 1)))
        picture.save(HERE / f"{name}.webp", quality=84, method=6)
        print(name, *picture.size)


if __name__ == "__main__":
    main()
