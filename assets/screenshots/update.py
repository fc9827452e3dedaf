"""Makes the README's five pictures from what the browser tests last left in test-artefacts/.

make test ARGS=tests/browser/test_walk.py && .venv/bin/python assets/screenshots/update.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
ARTEFACTS = HERE.parents[1] / "test-artefacts"
TALLEST = {"answer": 1290, "stages": 745, "phone": 1500}  # pixels kept from the top; the rest is more of the same
PICTURES = {
    "answer": "stages-1440-light",
    "stages": "tab-stages-1440-light",
    "uncertainty": "tab-uncertainty-1440-light",
    "words": "tab-words-1440-light",
    "phone": "stages-390-dark",
}


def main() -> None:
    for name, artefact in PICTURES.items():
        picture = Image.open(ARTEFACTS / f"{artefact}.png").convert("RGB")
        picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST.get(name, picture.height))))
        if artefact.startswith("tab-"):  # a margin of the page's own paper
            picture = ImageOps.expand(picture, 20, picture.getpixel((0, picture.height - 1)))
        picture.save(HERE / f"{name}.webp", quality=84, method=6)
        print(name, *picture.size)


if __name__ == "__main__":
    main()
