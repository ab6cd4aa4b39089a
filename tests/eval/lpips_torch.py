#!/usr/bin/env python3
"""lpips_torch.py ALEXNET: LPIPS as the built command computes it against PyTorch.

The formula is written a second time here, from the paper (Zhang et al. 2018, eq. 1) and the constants published with
it, over torchvision's own AlexNet with weights from a seed, and in float64: a difference is then our rounding or our
fault. Exit code 77 where PyTorch and torchvision are missing.

Tolerance: a distance is a sum without negative terms, of squares of differences of features. The features' relative
errors in float32 are about 1e-6 (2^-24 * sqrt(3456 summands), twice that by Winograd's algorithm) and of random sign,
and the pictures here are so different that squaring does not enlarge them: 1e-5 leaves room.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision
except ImportError as missing:
    print(f"skipped: {missing}; install python3-torch and python3-torchvision to compare LPIPS with PyTorch")
    sys.exit(77)

TOLERANCE = 1e-5
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
STAGES = (1, 4, 7, 9, 11)  # the ReLUs among torchvision's `features`


def write_safetensors(path, tensors):
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.detach().numpy().astype("<f4").tobytes())


def write_picture(path, pixels):
    height, width, _ = pixels.shape
    with open(path, "wb") as file:
        file.write(f"P6\n{width} {height}\n255\n".encode() + pixels.astype(np.uint8).tobytes())


def lpips(features, linear, a, b):
    """The formula, on pictures (H, W, 3) of bytes."""
    column = torch.tensor([SHIFT, SCALE], dtype=torch.float64).reshape(2, 1, 3, 1, 1)
    total = 0.0
    x, y = ((torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[None] / 127.5 - 1 - column[0]) / column[1]
            for p in (a, b))
    for index, layer in enumerate(features[:12]):
        x, y = layer(x.clone()), layer(y.clone())
        if index in STAGES:
            unit_x, unit_y = (t / (t.square().sum(1, keepdim=True).sqrt() + 1e-10) for t in (x, y))
            weights = linear[STAGES.index(index)].double()
            total += ((unit_x - unit_y).square() * weights).sum(1).mean().item()
    return total


def pictures(random, height, width):
    """Two pictures: a smooth one, and the same with noise and a grey square."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (5 + c) + random.uniform(0, 6)) * np.cos(columns / (9 - c)) for c in range(3)]
    a = 127 + 100 * np.stack(waves, 2)
    b = a + random.normal(0, 25, a.shape)
    b[height // 4:height // 2, width // 4:width // 2] = 90
    return a.clip(0, 255).astype(np.uint8), b.clip(0, 255).astype(np.uint8)


def main():
    torch.manual_seed(7)
    random = np.random.default_rng(7)
    network = torchvision.models.alexnet()
    linear = [torch.rand(1, maps, 1, 1) for maps in (64, 192, 384, 256, 256)]
    features = network.features.double().eval()
    for parameter in features.parameters():
        parameter.requires_grad_(False)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_safetensors("linear.safetensors", {f"lin{i}.model.1.weight": w for i, w in enumerate(linear)})
        write_safetensors("network.safetensors", network.state_dict())
        os.mkdir("a")
        os.mkdir("b")
        expected = {}
        for height, width in ((64, 64), (97, 131), (31, 200), (240, 160)):
            a, b = pictures(random, height, width)
            name = f"{height}x{width}.ppm"
            write_picture(f"a/{name}", a)
            write_picture(f"b/{name}", b)
            expected[f"a/{name}"] = lpips(features, linear, a, b)
        for device in ("auto", "reference"):
            done = subprocess.run(
                [sys.argv[1], "lpips", "--json", "--device", device, "--weights", "network.safetensors", "--linear",
                 "linear.safetensors", "a", "b"], check=True, stdout=subprocess.PIPE)
            found = json.loads(done.stdout)
            assert len(found["pairs"]) == len(expected)
            for pair in found["pairs"]:
                right = expected[pair["a"]]
                error = abs(pair["lpips"] - right) / right
                print(f"{device} {pair['a']}: {pair['lpips']:.9f}, PyTorch {right:.9f}, apart {error:.1e}")
                worst = max(worst, error)
            mean = np.mean([pair["lpips"] for pair in found["pairs"]])
            assert abs(found["mean"] - mean) <= TOLERANCE * mean
    if worst > TOLERANCE:
        sys.exit(f"LPIPS is {worst:.1e} from PyTorch's; {TOLERANCE} is allowed")


main()
