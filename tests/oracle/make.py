#!/usr/bin/env python3
"""Writes tests/oracle/oracle.json: what PyTorch computes for each network, for test_oracle.c to compare with.

    make.py                  writes the file anew
    make.py --check          computes everything again and compares it with the file; exit code 1 on a difference
    make.py --live PROGRAM   computes everything from another seed (--seed) and has PROGRAM, the built
                             test_oracle_oracle, compare itself with that

Needs torch and numpy. Nothing large is stored: weights, inputs, dropout masks and directions of projection are
functions of the seed through Philox4x32-10 (src/core/random.h), written here a second time in numpy. The networks,
too, are written a second time, from their published descriptions rather than from src/model/archs.c, so that a
mistake there cannot hide. PyTorch computes in float64: a difference is then float32 rounding, or a fault, on our side.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

FILE = pathlib.Path(__file__).with_name("oracle.json")

# The purposes of random streams (an_purpose) that are used here.
INIT, DROPOUT, SYNTHETIC, TEST = 1, 4, 8, 9
MAX_LAYERS = 32  # AN_MAX_LAYERS

BATCH, CLASSES = 2, 100
LABELS = [17, 83]
# Large inputs give the normalisation layers something to normalise; the last layer is made small so that the logits
# are of order 1 and softmax is not saturated. Large activations ask for a small learning rate, and that for a large
# decay, or its part in the update would not be seen.
INPUT_DEVIATION, BIAS_DEVIATION, LAST_GAIN = 16.0, 0.05, 0.02
EPOCH, POSITION = 3, 6  # of the training steps
STEPS, LEARNING_RATE, BIAS_MULTIPLIER, MOMENTUM, DECAY = 5, 1e-6, 2.0, 0.9, 100.0
DIRECTIONS = 3
# Several times what float32 rounding makes of a layer's inputs; more where no layer normalises them.
KINK_DISTANCE, KINK_DISTANCES = 2e-6, {"darknet": 3e-6}
DTYPE = torch.float64


# ---- random numbers ----

def philox(counter, key):
    """One block a row: counter (4 arrays of uint32, broadcastable) and key (2 ints) to 4 arrays of uint32."""
    mask = np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = ((p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), p1 & mask,
                          (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), p0 & mask)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


class Stream:
    """The stream of (seed, purpose, epoch, item)."""

    def __init__(self, seed, purpose, epoch, item):
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.counter = (item & 0xFFFFFFFF, epoch, purpose << 24 | item >> 32)

    def fill(self, count, of_words, first=0, per_block=4):
        """Elements first ... first + count of an elementwise function of the blocks (a row of four words each);
        `first` begins a block. Computed in pieces that fit the cache."""
        out, begin, end, piece = [], first // per_block, -(-(first + count) // per_block), 1 << 14
        for low in range(begin, end, piece):
            blocks = np.arange(low, min(low + piece, end), dtype=np.uint64)
            words = np.stack(np.broadcast_arrays(*philox((blocks, *self.counter), self.key)), axis=1)
            out.append(of_words(words).reshape(-1))
        return np.concatenate(out)[:count]

    def normal(self, count, deviation, first=0):
        def box_muller(words):
            radius = np.sqrt(-2.0 * np.log((words[:, 0::2] + 0.5) * 2.0 ** -32))
            angle = 6.283185307179586 * (words[:, 1::2] * 2.0 ** -32)
            pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
            return (deviation * pairs).astype(np.float32)
        return self.fill(count, box_muller, first)

    def uniform(self, count, bound, first=0):
        return self.fill(count, lambda words: (bound * (words * 2.0 ** -31 - 1.0)).astype(np.float32), first)

    def kept(self, count, rate):
        """A dropout layer's mask: False for the units that are zero."""
        return self.fill(count, lambda words: words >= rate * 2.0 ** 32)

    def signs(self, count):
        """+1 or -1 from every bit: element i is bit i % 32 of word i / 32 % 4 of block i / 128."""
        def bits(words):
            return (words[:, :, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1)).astype(np.int8) * 2 - 1
        return self.fill(count, bits, per_block=128)


# ---- networks ----

def conv(name, maps, kernel, stride=1, pad=0, groups=1, overhang=0):
    return dict(op="conv", name=name, maps=maps, kernel=kernel, stride=stride, pad=pad, groups=groups,
                overhang=overhang)


def lrn(k=2.0, towers=1):
    return dict(op="lrn", k=k, towers=towers)


def fc(name, units):
    return dict(op="fc", name=name, units=units)


def dropout(scale_at_test=False):
    return dict(op="dropout", scale_at_test=scale_at_test)


RELU, POOL = dict(op="relu"), dict(op="pool")


def classifier(first="after", scale_at_test=False, names=("fc6", "fc7", "fc8")):
    """The three fully connected layers, with dropout before or after the first two."""
    drop = dropout(scale_at_test)
    a, b = fc(names[0], 4096), fc(names[1], 4096)
    last = fc(names[2], CLASSES)
    if first == "before":
        return [drop, a, RELU, drop, b, RELU, last]
    return [a, RELU, drop, b, RELU, drop, last]


def middle(groups):
    """conv3 to conv5 of all networks but torchvision's."""
    return [conv("conv3", 384, 3, pad=1), RELU, conv("conv4", 384, 3, pad=1, groups=groups), RELU,
            conv("conv5", 256, 3, pad=1, groups=groups)]


def network(arch):
    """(side of the input, layers). The index of a layer is part of the dropout masks' streams."""
    def diagram(groups, after, pad=0):
        return ([conv("conv1", 96, 11, 4, pad), RELU, *after, conv("conv2", 256, 5, pad=2, groups=groups), RELU,
                 *after, *middle(groups), RELU, POOL])
    if arch == "alexnet":
        return 227, diagram(1, [POOL, lrn()]) + classifier()
    if arch == "darknet":
        return 227, diagram(1, [POOL]) + classifier()
    if arch == "alexnet-code":
        return 227, diagram(1, [POOL], pad=2) + classifier("before")
    if arch == "alexnet-paper":
        return 227, diagram(2, [lrn(towers=2), POOL]) + classifier()
    if arch == "caffe-alexnet":
        return 227, diagram(2, [lrn(k=1.0), POOL]) + classifier()
    if arch == "caffenet":
        return 227, diagram(2, [POOL, lrn(k=1.0)]) + classifier()
    if arch == "alexnet-2012":  # 224 pixels: conv1's last window hangs over the edge by 3
        return 224, [conv("conv1", 96, 11, 4, overhang=3), lrn(towers=2), POOL, RELU,
                     conv("conv2", 256, 5, pad=2, groups=2), RELU, lrn(towers=2), dict(op="lrn_within"), POOL,
                     *middle(2), POOL, RELU] + classifier(scale_at_test=True)
    assert arch == "torchvision"
    return 224, [conv("features.0", 64, 11, 4, pad=2), RELU, POOL, conv("features.3", 192, 5, pad=2), RELU, POOL,
                 conv("features.6", 384, 3, pad=1), RELU, conv("features.8", 256, 3, pad=1), RELU,
                 conv("features.10", 256, 3, pad=1), RELU, POOL, dict(op="average")] + classifier(
                     "before", names=("classifier.1", "classifier.4", "classifier.6"))


ARCHS = ["alexnet", "alexnet-code", "alexnet-paper", "alexnet-2012", "caffe-alexnet", "caffenet", "torchvision",
         "darknet"]


def parameters(layers):
    """[(name, shape, inputs of one output)] in the order of the network."""
    found, maps = [], 3
    for layer in layers:
        if layer["op"] == "conv":
            shape = (layer["maps"], maps // layer["groups"], layer["kernel"], layer["kernel"])
            maps = layer["maps"]
        elif layer["op"] == "fc":
            shape = (layer["units"], maps if any(len(s) == 2 for _, s, _ in found) else maps * 36)
            maps = layer["units"]
        else:
            continue
        fan_in = math.prod(shape[1:])
        found += [(layer["name"] + ".weight", shape, fan_in), (layer["name"] + ".bias", shape[:1], fan_in)]
    return found


def forward(layers, values, x, masks=None, watch=lambda op, x: None):
    """Logits; `masks` {index of a dropout layer: (N, units)} for training, None for testing. `watch` is called with
    each layer's kind and input."""
    for index, layer in enumerate(layers):
        op = layer["op"]
        watch(op, x)
        if op == "conv":
            x = F.pad(x, (0, layer["overhang"], 0, layer["overhang"]))
            x = F.conv2d(x, values[layer["name"] + ".weight"], values[layer["name"] + ".bias"], layer["stride"],
                         layer["pad"], 1, layer["groups"])
        elif op == "relu":
            x = F.relu(x)
        elif op == "pool":
            x = F.max_pool2d(x, 3, 2)
        elif op == "average":
            x = F.adaptive_avg_pool2d(x, 6)
        elif op == "lrn":
            x = torch.cat([F.local_response_norm(tower, 5, 1e-4, 0.75, layer["k"])
                           for tower in x.chunk(layer["towers"], 1)], 1)
        elif op == "lrn_within":  # the mean of 25 squares, those outside counted as zero
            x = x / (1 + 1e-3 * F.avg_pool2d(x * x, 5, 1, 2)) ** 0.75
        elif op == "fc":
            x = F.linear(x.flatten(1), values[layer["name"] + ".weight"], values[layer["name"] + ".bias"])
        elif op == "dropout":
            if masks is not None:
                x = x.flatten(1) * masks[index] * (1 if layer["scale_at_test"] else 2)
            elif layer["scale_at_test"]:
                x = x * 0.5
    return x


# ---- what test_oracle.c must reproduce ----

_weights = {}  # the latest values by parameter: networks share most of them


def weights(seed, layers):
    """He normal weights, small normal biases, from the streams (seed, TEST, 0, index of the parameter)."""
    values = {}
    for index, (name, shape, fan_in) in enumerate(parameters(layers)):
        if _weights.get(index, (None,))[0] != (seed, shape):
            deviation = math.sqrt(2.0 / fan_in) if len(shape) > 1 else BIAS_DEVIATION
            if shape[0] == CLASSES and len(shape) > 1:
                deviation *= LAST_GAIN
            _weights[index] = ((seed, shape), Stream(seed, TEST, 0, index).normal(math.prod(shape), deviation))
        values[name] = torch.from_numpy(_weights[index][1]).to(DTYPE).reshape(shape)
    return values


def masks(seed, layers, position):
    found, units = {}, 9216
    for index, layer in enumerate(layers):
        if layer["op"] == "fc":
            units = layer["units"]
        elif layer["op"] == "dropout":
            rows = [Stream(seed, DROPOUT, EPOCH, p * MAX_LAYERS + index).kept(units, 0.5)
                    for p in range(position, position + BATCH)]
            found[index] = torch.from_numpy(np.stack(rows)).to(DTYPE)
    return found


def digest(seed, index, gradient):
    """A gradient in a few numbers: norm, sum, projections on random directions of +-1, and some entries."""
    flat = gradient.numpy().reshape(-1)
    places = sorted({*np.argpartition(np.abs(flat), -4)[-4:].tolist(), *(len(flat) * (2 * i + 1) // 8 for i in range(4))})
    return {"norm": float(np.linalg.norm(flat)), "sum": float(flat.sum()),
            "projections": [float(Stream(seed, TEST, 1 + d, index).signs(len(flat)) @ flat)
                            for d in range(DIRECTIONS)],
            "entries": [[place, float(flat[place])] for place in places]}


def digests(seed, names, tensors):
    return [{"name": name, **digest(seed, index, tensor)} for index, (name, tensor) in enumerate(zip(names, tensors))]


def initial(arch, seed, layers):
    """A few values of each parameter as the network's own initialisation leaves it: [[[place, value], ...], ...]."""
    found = []
    for index, (_, shape, fan_in) in enumerate(parameters(layers)):
        layer, is_bias = index // 2, len(shape) == 1  # layer: 0 for conv1 to 7 for fc8
        if arch in ("alexnet-code", "torchvision"):  # PyTorch's default, weights and biases alike
            def values(stream, first):
                return stream.uniform(4, 1 / math.sqrt(fan_in), first)
        elif is_bias:
            ones = {"alexnet": (), "darknet": ()}.get(arch, (1, 3, 4, 5, 6))
            bias = (0.1 if arch == "caffe-alexnet" else 1.0) if layer in ones else 0.0

            def values(stream, first):
                return np.full(4, bias, np.float32)
        elif arch == "darknet" and layer >= 5:
            def values(stream, first):
                return stream.uniform(4, math.sqrt(2 / fan_in), first)
        else:
            if arch in ("alexnet", "darknet"):
                deviation = math.sqrt(2 / fan_in)
            elif arch == "alexnet-2012" and layer in (2, 3, 4):
                deviation = np.float32(0.03)
            elif arch in ("caffe-alexnet", "caffenet") and layer in (5, 6):
                deviation = np.float32(0.005)
            else:
                deviation = np.float32(0.01)

            def values(stream, first):
                return stream.normal(4, float(deviation), first)
        stream, count = Stream(seed, INIT, 0, index), math.prod(shape)
        found.append([[place, float(values(stream, place // 4 * 4)[place % 4])]
                      for place in (0, 1, count // 3, count - 1)])
    return found


def gradients(layers, values, x, labels, position, seed):
    """(loss, [gradient of each parameter]) of a training step with the dropout masks of `position`."""
    leaves = {name: value.detach().requires_grad_() for name, value in values.items()}
    loss = F.cross_entropy(forward(layers, leaves, x, masks(seed, layers, position)), labels)
    return float(loss.detach()), torch.autograd.grad(loss, list(leaves.values()))


def kink_distance(layers, values, x, drops):
    """How far the unit nearest to a kink is from it: ReLU's zero, or two equal candidates for a maximum; relative to
    the layer's root mean square. Beyond a kink the gradient is another one: one unit of n changes it by about
    1 / sqrt(n), far more than rounding does."""
    nearest = math.inf

    def watch(op, x):
        nonlocal nearest
        if op == "relu":
            gap = x.abs().min()
        elif op == "pool":
            windows = x.unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
            top = windows.topk(2, dim=4).values
            gap = (top[..., 0] - top[..., 1])[top[..., 0] > 0].min()  # what ReLU cuts off passes no gradient
        else:
            return
        nearest = min(nearest, float(gap / x.square().mean().sqrt()))

    with torch.no_grad():
        forward(layers, values, x, drops, watch)
    return nearest


def inputs(arch, seed, side, layers, values):
    """(item, images): the first item of the stream (seed, SYNTHETIC, 0, item) that stays clear of kinks."""
    for item in range(100):
        x = Stream(seed, SYNTHETIC, 0, item).normal(BATCH * 3 * side * side, INPUT_DEVIATION)
        x = torch.from_numpy(x).to(DTYPE).reshape(BATCH, 3, side, side)
        if kink_distance(layers, values, x, masks(seed, layers, POSITION)) >= KINK_DISTANCES.get(arch, KINK_DISTANCE):
            return item, x
    raise RuntimeError("no input stays clear of kinks; another --seed may")


def measure(arch, seed):
    """Everything that is known of one network."""
    side, layers = network(arch)
    values, labels = weights(seed, layers), torch.tensor(LABELS)
    item, x = inputs(arch, seed, side, layers, values)
    with torch.no_grad():
        logits = forward(layers, values, x)
    losses, velocities, first = [], [torch.zeros_like(v) for v in values.values()], None
    for step in range(STEPS):
        loss, grads = gradients(layers, values, x, labels, POSITION + step * BATCH, seed)
        losses.append(loss)
        first = first or digests(seed, values, grads)
        for (name, value), velocity, gradient in zip(values.items(), velocities, grads):
            is_bias = name.endswith(".bias")
            rate, decay = LEARNING_RATE * (BIAS_MULTIPLIER if is_bias else 1), 0 if is_bias else DECAY
            velocity.mul_(MOMENTUM).sub_(rate * decay * value + rate * gradient)
            values[name] = value + velocity
    return {"arch": arch, "input_size": side, "input_item": item, "logits": logits.flatten().tolist(), "losses": losses,
            "gradients": first, "velocities": digests(seed, values, velocities),
            "initial": initial(arch, seed, layers)}


def make(seed, archs):
    torch.use_deterministic_algorithms(True)
    found = []
    for arch in archs:
        print(f"{arch} ...", file=sys.stderr, flush=True)
        found.append(measure(arch, seed))
    return {"about": f"made by tests/oracle/make.py with PyTorch {torch.__version__} in float64", "seed": seed,
            "batch": BATCH, "classes": CLASSES, "labels": LABELS, "input_deviation": INPUT_DEVIATION,
            "bias_deviation": BIAS_DEVIATION, "last_gain": LAST_GAIN, "epoch": EPOCH, "position": POSITION,
            "learning_rate": LEARNING_RATE, "bias_multiplier": BIAS_MULTIPLIER, "momentum": MOMENTUM,
            "weight_decay": DECAY, "networks": found}


def differences(old, new, path=""):
    """Sentences on where two files differ by more than float64 rounding of another PyTorch."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return [d for key in old if key != "about" for d in differences(old[key], new[key], f"{path}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        scale = max((abs(v) for v in old if isinstance(v, float)), default=0)
        return [f"{path}/{i}: {a} was {b}" for i, (b, a) in enumerate(zip(old, new))
                if isinstance(a, float) and isinstance(b, float) and abs(a - b) > 1e-7 * scale] + [
            d for i, (b, a) in enumerate(zip(old, new)) if not (isinstance(a, float) and isinstance(b, float))
            for d in differences(b, a, f"{path}/{i}")]
    if isinstance(old, float) and isinstance(new, float):
        return [] if abs(old - new) <= 1e-7 * abs(old) else [f"{path}: {new} was {old}"]
    return [] if old == new else [f"{path}: {new} was {old}"]


def text(value, indent=""):
    """JSON: tensors a line each, numbers of 9 digits, which is enough to tell float32 values apart."""
    if isinstance(value, dict) and "name" not in value:
        items = [f"{indent} {json.dumps(key)}: {text(item, indent + ' ')}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"{indent} {text(item, indent + ' ')}" for item in value) + f"\n{indent}]"
    return json.dumps(json.loads(json.dumps(value), parse_float=lambda digits: float(f"{float(digits):.9g}")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--live", metavar="PROGRAM", help="have test_oracle_oracle compare itself with a new seed")
    parser.add_argument("--seed", type=int, help="of weights, inputs and masks (2012; with --live 1)")
    parser.add_argument("--arch", action="append", choices=ARCHS, help="only this network; may be repeated")
    options = parser.parse_args()
    archs = options.arch or ARCHS
    if options.live:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text(make(1 if options.seed is None else options.seed, archs)) + "\n")
            file.flush()
            return subprocess.run([options.live, file.name], check=False).returncode
    document = make(2012 if options.seed is None else options.seed, archs)
    if not options.check:
        FILE.write_text(text(document) + "\n")
        return 0
    stored = json.loads(FILE.read_text())
    stored["networks"] = [n for n in stored["networks"] if n["arch"] in archs]
    found = differences(stored, json.loads(text(document)))
    print("\n".join(found[:20]) or f"{FILE.name} agrees with PyTorch {torch.__version__}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
