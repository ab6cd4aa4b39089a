"""The networks that bench/compare measures, as tables, and what each framework makes of them.

The tables repeat src/model/archs.c as far as speed goes: ReLU stands behind every convolution and every fully
connected layer but the last, pooling is 3x3 with stride 2, and normalisation runs over all maps, also where the paper
has two towers that do not see each other: every framework has that, and it costs the same.
"""
from typing import NamedTuple

CLASSES = 1000


class Conv(NamedTuple):
    maps: int
    kernel: int
    stride: int = 1
    pad: int = 0
    groups: int = 1


class Pool(NamedTuple):
    kernel: int = 3
    stride: int = 2


class Norm(NamedTuple):
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


class Dropout(NamedTuple):
    rate: float = 0.5


class Linear(NamedTuple):
    units: int


class Network(NamedTuple):
    side: int  # of the square input
    layers: list


NETWORKS = {
    "alexnet": Network(227, [
        Conv(96, 11, stride=4), Pool(), Norm(),
        Conv(256, 5, pad=2), Pool(), Norm(),
        Conv(384, 3, pad=1), Conv(384, 3, pad=1), Conv(256, 3, pad=1), Pool(),
        Linear(4096), Dropout(), Linear(4096), Dropout(), Linear(CLASSES)]),
    "alexnet-paper": Network(227, [
        Conv(96, 11, stride=4), Norm(), Pool(),
        Conv(256, 5, pad=2, groups=2), Norm(), Pool(),
        Conv(384, 3, pad=1), Conv(384, 3, pad=1, groups=2), Conv(256, 3, pad=1, groups=2), Pool(),
        Linear(4096), Dropout(), Linear(4096), Dropout(), Linear(CLASSES)]),
    "torchvision": Network(224, [
        Conv(64, 11, stride=4, pad=2), Pool(),
        Conv(192, 5, pad=2), Pool(),
        Conv(384, 3, pad=1), Conv(256, 3, pad=1), Conv(256, 3, pad=1), Pool(),
        Dropout(), Linear(4096), Dropout(), Linear(4096), Linear(CLASSES)]),
}


def shapes(network):
    """Each layer with the (maps, side) that it is given; the side is 0 behind the first fully connected layer."""
    maps, side = 3, network.side
    for layer in network.layers:
        yield layer, maps, side
        if isinstance(layer, Conv):
            maps, side = layer.maps, (side + 2 * layer.pad - layer.kernel) // layer.stride + 1
        elif isinstance(layer, Pool):
            side = (side - layer.kernel) // layer.stride + 1
        elif isinstance(layer, Linear):
            maps, side = layer.units, 0


def torch_module(name):
    from torch import nn
    modules = []
    for layer, maps, side in shapes(NETWORKS[name]):
        if isinstance(layer, Conv):
            modules += [nn.Conv2d(maps, layer.maps, layer.kernel, layer.stride, layer.pad, groups=layer.groups),
                        nn.ReLU()]
        elif isinstance(layer, Pool):
            modules.append(nn.MaxPool2d(layer.kernel, layer.stride))
        elif isinstance(layer, Norm):
            modules.append(nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))
        elif isinstance(layer, Dropout):
            modules.append(nn.Dropout(layer.rate))
        else:
            modules += [nn.Flatten()] if side else []
            modules.append(nn.Linear(maps * side * side if side else maps, layer.units))
            modules += [nn.ReLU()] if layer is not NETWORKS[name].layers[-1] else []
    return nn.Sequential(*modules)


def ncnn_text(name):
    """The network in ncnn's format, ReLU (9=1) inside its neighbours; input "x", output "y"."""
    network = NETWORKS[name]
    rows = ["Input x 0 1 x"]
    below = "x"
    for i, (layer, maps, side) in enumerate(shapes(network)):
        above = "y" if layer is network.layers[-1] else f"layer{i}"
        if isinstance(layer, Conv):
            kind = "Convolution" if layer.groups == 1 else "ConvolutionDepthWise"
            weights = layer.maps * maps // layer.groups * layer.kernel ** 2
            what = f"0={layer.maps} 1={layer.kernel} 3={layer.stride} 4={layer.pad} 5=1 6={weights} 9=1"
            what += f" 7={layer.groups}" if layer.groups > 1 else ""
        elif isinstance(layer, Pool):
            kind, what = "Pooling", f"0=0 1={layer.kernel} 2={layer.stride} 5=1"
        elif isinstance(layer, Norm):
            kind, what = "LRN", f"0=0 1={layer.size} 2={layer.alpha} 3={layer.beta} 4={layer.k}"
        elif isinstance(layer, Linear):
            weights = layer.units * maps * max(side, 1) ** 2
            kind, what = "InnerProduct", f"0={layer.units} 1=1 2={weights}" + ("" if above == "y" else " 9=1")
        else:
            continue  # nothing is dropped in inference
        rows.append(f"{kind} layer{i} 1 1 {below} {above} {what}")
        below = above
    return "\n".join(["7767517", f"{len(rows)} {len(rows)}"] + rows) + "\n"
