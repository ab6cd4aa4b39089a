#!/usr/bin/env python3
"""Every network, exported to ONNX, in ONNX Runtime against what `alexnet forward` computes.

usage: onnxruntime_check.py ALEXNET TOOL_NETWORKS PHOTOS [COUNT]

ALEXNET is the command, TOOL_NETWORKS build/tests/formats/tool_networks, PHOTOS a folder of pictures,
of which COUNT (50) are taken. Needs onnxruntime, numpy and Pillow, which Debian lacks; no test runs
this. Each network is exported plain and with its preprocessing inside, and run with batches of 1
and of 3. Per network it prints the largest difference, relative to the largest logit of the picture
(max |a - b| / max |b|, which must be within 1e-5), and element by element (|a - b| / |b|).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

from photos import find_photos, load_pixels, preprocess

TOLERANCE = 1e-5


def run(model, images, batch):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(["logits"], {name: images[i:i + batch]})[0]
             for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def metadata_of(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map


def check(arch, alexnet, tool, photos, folder):
    weights, plain, inside = (folder / name for name in
                              ("weights.safetensors", "plain.onnx", "inside.onnx"))
    subprocess.run([tool, arch, "1000", "0", weights], check=True)
    subprocess.run([alexnet, "convert", weights, plain], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([alexnet, "convert", "--preprocess", weights, inside], check=True,
                   stdout=subprocess.DEVNULL)
    about = json.loads(metadata_of(plain)["alexnet.preprocess"])
    pixels = np.stack([load_pixels(photo, about["resize"], about["crop"]) for photo in photos])
    images = preprocess(pixels, about)
    np.save(folder / "images.npy", images)
    subprocess.run([alexnet, "forward", "--weights", weights, "--progress", "none",
                    folder / "images.npy", folder / "logits.npy"], check=True,
                   stdout=subprocess.DEVNULL)
    expected = np.load(folder / "logits.npy")
    worst = 0
    for kind, model, data in (("plain", plain, images), ("preprocess", inside, pixels)):
        for batch in (1, 3):
            difference = np.abs(run(model, data, batch) - expected)
            relative = (difference.max(axis=1) / np.abs(expected).max(axis=1)).max()
            elementwise = (difference / np.maximum(np.abs(expected), 1e-30)).max()
            print(f"{arch:14} {kind:10} batch {batch}: {relative:.2e} of the largest logit, "
                  f"{elementwise:.2e} element by element", flush=True)
            worst = max(worst, relative)
    return worst


def main():
    alexnet, tool, folder = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 50
    photos = find_photos(folder, count)
    archs = subprocess.run([tool], check=True, capture_output=True, text=True).stdout.split()
    print(f"ONNX Runtime {onnxruntime.__version__}, {len(photos)} photographs")
    worst = 0
    for arch in archs:
        with tempfile.TemporaryDirectory() as temporary:
            worst = max(worst, check(arch, alexnet, tool, photos, pathlib.Path(temporary)))
    print(f"the largest: {worst:.2e}, to be within {TOLERANCE}")
    return 0 if photos and worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
