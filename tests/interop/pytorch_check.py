#!/usr/bin/env python3
"""Round trips of every network through every format that is written, and PyTorch's answers beside `alexnet forward`'s.

usage: pytorch_check.py ALEXNET TOOL_NETWORKS PHOTOS [COUNT]

ALEXNET is the command, TOOL_NETWORKS build/tests/formats/tool_networks, PHOTOS a folder of pictures, of which COUNT (50)
are taken. Needs torch, numpy and Pillow. Per network: safetensors -> .pth -> .onnx -> safetensors gives the same weights
and the same logits to the bit at each stage; PyTorch loads the .pth (weights_only) and the safetensors' twin, computes
the photographs' logits in float32 with the network as tests/oracle/make.py describes it, and the largest difference,
relative to the largest logit of the picture (max |a - b| / max |b|), must be within 1e-5.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

from photos import find_photos, load_pixels, preprocess

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle"))
import make  # noqa: E402

TOLERANCE, BATCH = 1e-5, 10


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True).stdout


def metadata_of(file):
    """The metadata of a safetensors file."""
    with open(file, "rb") as data:
        header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
    return {key: json.loads(value) if value[:1] in "{[" else value for key, value in header["__metadata__"].items()}


def check(arch, alexnet, tool, photos, folder):
    first, logits = folder / "0.safetensors", {}
    run(tool, arch, 1000, 0, first)
    files = [first]
    for stage, extension in enumerate((".pth", ".onnx", ".safetensors"), 1):
        files.append(folder / f"{stage}{extension}")
        run(alexnet, "convert", files[-2], files[-1])
        run(tool, first, files[-1])  # fails where a bit differs
    about = metadata_of(first)["alexnet.preprocess"]
    pixels = np.stack([load_pixels(photo, about["resize"], about["crop"]) for photo in photos])
    images = preprocess(pixels, about)
    np.save(folder / "images.npy", images)
    for file in files:
        run(alexnet, "forward", "--weights", file, "--progress", "none", folder / "images.npy", folder / "logits.npy")
        logits[file] = np.load(folder / "logits.npy")
        assert np.array_equal(logits[file], logits[first]), f"{file.name}: other logits"
    values = torch.load(files[1], weights_only=True)
    _, layers = make.network(arch)
    layers[-1]["units"] = 1000
    with torch.no_grad():
        found = torch.cat([make.forward(layers, values, torch.from_numpy(images[i:i + BATCH]))
                           for i in range(0, len(images), BATCH)]).numpy()
    worst = (np.abs(found - logits[first]).max(axis=1) / np.abs(found).max(axis=1)).max()
    print(f"{arch:14} round trips equal to the bit; PyTorch's logits within {worst:.2e}", flush=True)
    return worst


def main():
    alexnet, tool, folder = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 50
    photos = find_photos(folder, count)
    print(f"PyTorch {torch.__version__}, {len(photos)} photographs")
    worst = 0
    for arch in run(tool).split():
        with tempfile.TemporaryDirectory() as temporary:
            worst = max(worst, check(arch, alexnet, tool, photos, pathlib.Path(temporary)))
    print(f"the largest: {worst:.2e}, to be within {TOLERANCE}")
    return 0 if photos and worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
