#!/usr/bin/env python3
"""WebP pictures that PIL writes are decoded as PIL decodes them, to the bit: it uses the same libwebp.

    webp_interop.py TOOL_RESIZE

Lossless ones, lossy ones of several sizes and qualities, with alpha, turned by EXIF, and an animation. Needs
python3-numpy and python3-pil; exit code 77 without.
"""
import io
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image, ImageOps
except ImportError as missing:
    print(missing)
    sys.exit(77)


def draw(random, width, height, channels):
    """Waves with noise on them; alpha is noise alone, with much of nothing and of all."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [127.5 + 90 * np.sin(x / (7 + 3 * c)) * np.cos(y / (5 + 2 * c)) for c in range(3)]
    colours = np.stack(waves, axis=2) + random.normal(0, 10, (height, width, 3))
    alpha = random.uniform(-100, 355, (height, width, 1))
    return Image.fromarray(np.concatenate([colours, alpha], axis=2)[:, :, :channels].clip(0, 255).astype(np.uint8))


def expected(path):
    """PIL's pixels upright, over white."""
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(path)), dtype=int)
    if pixels.shape[2] == 3:
        return pixels
    colours, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    return (colours * alpha + 255 * (255 - alpha) + 127) // 255


def check(tool, path):
    run = subprocess.run([tool, "0", "0", path], capture_output=True, check=False)
    if run.returncode != 0:
        sys.exit(f"webp_interop: {run.stderr.decode()}")
    ours, theirs = np.asarray(Image.open(io.BytesIO(run.stdout)), dtype=int), expected(path)
    if ours.shape != theirs.shape or (ours != theirs).any():
        sys.exit(f"webp_interop: {path.name}: {ours.shape}, PIL: {theirs.shape}; not the same pixels")


def main(tool):
    random = np.random.default_rng(1)
    kinds = [{"lossless": True}, {"quality": 100}, {"quality": 75}, {"quality": 5}]
    pictures = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "picture.webp"
        for width, height in (1, 1), (2, 3), (17, 40), (301, 203):
            for channels in 3, 4:
                picture = draw(random, width, height, channels)
                exif = picture.getexif()
                for number, kind in enumerate(kinds):
                    exif[0x0112] = 1 + pictures % 8
                    picture.save(path, **kind)
                    check(tool, path)
                    picture.save(path, **kind, exif=exif.tobytes()[6 * (number % 2):])
                    check(tool, path)
                    picture.save(path, **kind, save_all=True, append_images=[ImageOps.invert(picture.convert("RGB"))])
                    check(tool, path)
                    pictures += 3
    print(f"{pictures} pictures are decoded as PIL decodes them")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
