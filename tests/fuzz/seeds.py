#!/usr/bin/env python3
"""Writes the seed corpora for `./run fuzz`: seeds.py FOLDER makes FOLDER/FORMAT/*, small files of each format as their
own tools write them (Debian's python3-torch, python3-onnx, python3-protobuf and python3-lmdb)."""
import collections
import io
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

import lmdb
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src/formats"
NAMES = ["conv1.weight", "conv1.bias", "fc6.weight", "fc8.weight", "fc8.bias"]


def safetensors():
    def file(entries, metadata=None):
        header, data = {"__metadata__": metadata} if metadata else {}, b""
        for name, dtype, shape, size in entries:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
            data += bytes(size)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data
    yield "plain", file([("conv1.weight", "F32", [2, 1, 1, 1], 8), ("conv1.bias", "BF16", [2], 4)])
    yield "metadata", file([("fc8.weight", "I8", [2, 3], 6), ("fc8.weight_scale", "F32", [2], 8),
                            ("fc8.input_range", "F32", [1], 4)],
                           {"alexnet.arch": "alexnet", "alexnet.classes": "2", "alexnet.input_size": "67"})
    yield "empty", file([("module.conv1.weight", "F64", [0, 3], 0), ("module.scalar", "F16", [], 2)])


def safetensors_index():
    for name, value in {
        "plain": {"metadata": {"total_size": 12}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors",
                                                                "conv1.bias": "model-00002-of-00002.safetensors"}},
        "outside": {"weight_map": {"conv1.weight": "../secret", "conv1.bias": "/dev/zero"}},
        "empty": {"weight_map": {}},
    }.items():
        yield name, json.dumps(value, indent=2).encode()


def torch_files():
    def saved(value, **how):
        with tempfile.NamedTemporaryFile() as file:
            torch.save(value, file.name, **how)
            return pathlib.Path(file.name).read_bytes()
    base = torch.arange(12.0).reshape(3, 4)
    states = {
        "plain": collections.OrderedDict((name, torch.ones(2, 2)) for name in NAMES),
        "types": {"a": base.half(), "b": base.bfloat16(), "c": base.double(), "d": base.t(), "e": base[1:, ::2],
                  "f": torch.nn.Parameter(base), "g": torch.tensor(3)},
        "checkpoint": {"epoch": 3, "state_dict": {"module.conv1.weight": base}, "best": 0.5, "name": "x",
                       "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}},
        "module": torch.nn.Linear(2, 3).state_dict(),
    }
    for name, state in states.items():
        yield name + "-zip", saved(state)
        yield name + "-stream", saved(state, _use_new_zipfile_serialization=False)


def onnx_files():
    rng = np.random.default_rng(0)
    weights = {"w1": rng.random((2, 3, 3, 3), np.float32), "b1": np.zeros(2, np.float32),
               "w2": rng.random((5, 8), np.float32), "b2": np.zeros(5, np.float32)}
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
             helper.make_node("Relu", ["c"], ["r"]),
             helper.make_node("LRN", ["r"], ["n"], size=5, alpha=1e-4, beta=0.75, bias=1.0),
             helper.make_node("MaxPool", ["n"], ["p"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
             helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Dropout", ["f"], ["d"]),
             helper.make_node("Gemm", ["d", "w2", "b2"], ["g"], transB=1),
             helper.make_node("Softmax", ["g"], ["y"])]

    def model(initializers, opset=13):
        graph = helper.make_graph(nodes, "seed",
                                  [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])], initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    raw = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    yield "raw", model(raw).SerializeToString()
    yield "typed", model([helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.flatten().tolist())
                          for name, value in weights.items()], 9).SerializeToString()
    own = model(raw)
    for key, value in {"alexnet.arch": "alexnet", "alexnet.classes": "5"}.items():
        own.metadata_props.add(key=key, value=value)
    yield "metadata", own.SerializeToString()
    outside = model(raw)
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    yield "external", outside.SerializeToString()


def caffe():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"--python_out={folder}", f"--proto_path={SOURCES}", "caffe.proto"], check=True)
        sys.path.insert(0, folder)
        import caffe_pb2
    messages = {name: getattr(caffe_pb2, name) for name in dir(caffe_pb2)}
    net = messages["NetParameter"]

    def blob(value, legacy):
        """A BlobProto as wire format, so that it fits whatever the subset declares `data` to be."""
        value = np.asarray(value, np.float32)
        if legacy:
            shape = b"".join(bytes([tag << 3]) + bytes([side])
                             for tag, side in zip((1, 2, 3, 4), (1,) * (4 - value.ndim) + value.shape))
        else:
            dims = bytes(value.shape)
            shape = b"\x3a" + bytes([len(dims) + 2]) + b"\x0a" + bytes([len(dims)]) + dims
        data = value.tobytes()
        return shape + b"\x2a" + bytes([len(data)]) + data

    def field(tag, payload):
        head, length = b"", len(payload)
        for number in (tag << 3 | 2, length):
            while number > 127:
                head, number = head + bytes([number & 127 | 128]), number >> 7
            head += bytes([number])
        return head + payload

    conv, fc = np.ones((2, 1, 1, 1)), np.ones((2, 3))
    layers = b""
    for name, kind, weight in (("conv1", "Convolution", conv), ("fc6", "InnerProduct", fc)):
        layers += field(100, field(1, name.encode()) + field(2, kind.encode()) + field(7, blob(weight, False)) +
                        field(7, blob([1, 2], False)))
    yield "v2", field(1, b"seed") + layers
    layers = b""
    for name, kind, weight in (("conv1", 4, conv), ("fc6", 14, fc)):
        layers += field(2, field(4, name.encode()) + bytes([5 << 3, kind]) + field(6, blob(weight, True)) +
                        field(6, blob([1, 2], True)))
    yield "v1", field(1, b"seed") + layers
    assert net.FromString(layers)


def darknet():
    values = np.arange(64, dtype=np.float32).tobytes()
    yield "seen32", struct.pack("<iiiI", 0, 1, 0, 64) + values
    yield "seen64", struct.pack("<iiiQ", 0, 2, 5, 64) + values
    yield "transposed", struct.pack("<iiiQ", 1001, 2, 5, 64) + values


def databases():
    def database(count, size):
        with tempfile.TemporaryDirectory() as folder:
            with lmdb.open(folder, map_size=1 << 24) as env, env.begin(write=True) as transaction:
                for i in range(count):
                    datum = b"\x08\x01\x10\x01\x18" + bytes([size, 0x22, size]) + bytes(size) + b"\x28\x01"
                    transaction.put(f"{i:08d}_x{i}".encode(), datum + (bytes([0x22, 0]) * 1500 if i == 1 else b""))
            return (pathlib.Path(folder) / "data.mdb").read_bytes()
    yield "leaf", database(3, 5)
    yield "branch", database(200, 4)


def tar_files():
    def packed(kind, files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            for name, content in files:
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(content), 1.5
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()[:4096]
    files = [("a/b.jpg", b"picture"), ("n" * 150 + "/" + "m" * 150, b"x" * 600), ("\N{SNOWMAN}.cls", b"7")]
    for name, kind in ("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT):
        few = files[:1] if kind == tarfile.USTAR_FORMAT else files
        yield name, packed(kind, few)
        yield f"{name}-nested", packed(tarfile.GNU_FORMAT, [("inner.tar", packed(kind, few[:1])), ("b", b"")])


MAKERS = {"safetensors": safetensors, "safetensors-index": safetensors_index, "torch": torch_files,
          "onnx": onnx_files, "caffe": caffe, "darknet": darknet, "lmdb": databases, "tar": tar_files}


def main():
    for kind, maker in MAKERS.items():
        folder = pathlib.Path(sys.argv[1]) / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in maker():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
