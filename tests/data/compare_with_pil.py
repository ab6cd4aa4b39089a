#!/usr/bin/env python3
"""Compares decoding and resizing with PIL's, picture by picture.

    compare_with_pil.py TOOL_RESIZE FOLDER [SIDE...]

TOOL_RESIZE is the program of that name in the build folder. Every picture in FOLDER is decoded by
both and resized so that its short side becomes SIDE (256 unless given), as
torchvision.transforms.Resize(SIDE) does it. Fails where a resized value differs by more than 2.
"""
import io
import pathlib
import subprocess
import sys

import numpy
from PIL import Image, ImageOps

LIMIT = 2


def ours(tool, path, width, height):
    run = subprocess.run([tool, str(width), str(height), path], capture_output=True, check=True)
    return numpy.asarray(Image.open(io.BytesIO(run.stdout)), dtype=int)


def theirs(path):
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return picture.convert("RGB")


def main(tool, folder, *sides):
    worst_decoded = worst_resized = differing = values = pictures = 0
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp", ".ppm", ".pgm"):
            continue
        pictures += 1
        picture = theirs(path)
        decoded = numpy.abs(ours(tool, path, 0, 0) - numpy.asarray(picture, dtype=int)).max()
        worst_decoded = max(worst_decoded, decoded)
        width, height = picture.size
        for side in map(int, sides or ["256"]):
            long_side = int(side * max(width, height) / min(width, height))
            size = (side, long_side) if width <= height else (long_side, side)
            expected = numpy.asarray(picture.resize(size, Image.BILINEAR), dtype=int)
            difference = numpy.abs(ours(tool, path, *size) - expected)
            if difference.max() > LIMIT or decoded > LIMIT:
                print(f"{path} at {side}: decoded {decoded}, resized {difference.max()}")
            worst_resized = max(worst_resized, difference.max())
            differing += (difference > 0).sum()
            values += difference.size
    print(f"{pictures} pictures; largest difference decoded {worst_decoded}, resized "
          f"{worst_resized} of 255 (at most {LIMIT} allowed); {differing} of {values} resized "
          "values differ")
    return 0 if pictures and worst_resized <= LIMIT else 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
