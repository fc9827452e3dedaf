"""Takes the example photos out of the packages that carry them, as JPEG with a longer side of at most 1024 pixels.

    pip install scikit-image scikit-learn matplotlib
    apt-get download gcompris-qt-data && dpkg-deb -x gcompris-qt-data_*.deb gcompris
    python assets/extract_examples.py gcompris

assets/LICENSES.md says who took each photo and under which licence it may be passed on.
"""

from __future__ import annotations

import argparse
import io
import struct
from pathlib import Path

import matplotlib
import skimage
import sklearn
from PIL import Image

LONGER_SIDE = 1024
FROM_GCOMPRIS = {"cow": "cow.webp", "kitten": "cat.webp", "chickens": "chicken.webp", "horses": "horse.webp"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gcompris", type=Path, help="folder in which gcompris-qt-data was unpacked")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "examples")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    farm = arguments.gcompris / "usr/share/gcompris-qt/rcc/explore_farm_animals.rcc"
    files = qt_resources(farm.read_bytes())
    photos = {name: io.BytesIO(files[file]) for name, file in FROM_GCOMPRIS.items()}
    photos["astronaut"] = Path(skimage.__file__).parent / "data/astronaut.png"
    photos["coffee"] = Path(skimage.__file__).parent / "data/coffee.png"
    photos["pavilion"] = Path(sklearn.__file__).parent / "datasets/images/china.jpg"
    photos["admiral"] = Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg"

    for name, source in photos.items():
        photo = Image.open(source).convert("RGB")
        photo.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
        photo.save(arguments.out / f"{name}.jpg", quality=88, optimize=True)
        print(name, *photo.size)


def qt_resources(data: bytes) -> dict[str, bytes]:
    """The uncompressed files inside a Qt binary resource file of format version 2 or 3, by name without folder."""
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres" or version < 2:
        raise ValueError("This is not a Qt resource file of version 2 or later: unpack gcompris-qt-data 3.1.")
    files, todo = {}, [0]
    while todo:
        entry = tree + 22 * todo.pop()
        name_at, flags = struct.unpack_from(">IH", data, entry)
        length = struct.unpack_from(">H", data, names + name_at)[0]
        name = data[names + name_at + 6 :][: 2 * length].decode("utf-16-be")
        if flags & 2:  # a folder: how many children, and the first one's number
            count, first = struct.unpack_from(">2I", data, entry + 6)
            todo.extend(range(first, first + count))
        elif not flags & 5:  # neither zlib nor zstd
            at = contents + struct.unpack_from(">I", data, entry + 10)[0]
            size = struct.unpack_from(">I", data, at)[0]
            files[name] = data[at + 4 : at + 4 + size]
    return files


if __name__ == "__main__":
    main()
