"""Photographs as the networks take them, for the scripts that compare with other frameworks."""
import pathlib

import numpy as np
from PIL import Image


def find_photos(folder, count):
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]


def load_pixels(path, resize, crop):
    """(3, crop, crop) bytes in RGB: the short side resized, the centre taken."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    short = min(width, height)
    size = (width * resize // short, height * resize // short)
    picture = picture.resize(size, Image.BILINEAR)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    return np.asarray(picture.crop((left, top, left + crop, top + crop))).transpose(2, 0, 1)


def preprocess(pixels, about):
    """What the network takes: (pixel * scale - mean) / std, in its order of channels."""
    if about["channels"] == "bgr":
        pixels = pixels[:, ::-1]
    mean, std = (np.array(about[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    return ((pixels * about["scale"] - mean) / std).astype(np.float32)
