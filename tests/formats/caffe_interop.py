#!/usr/bin/env python3
"""Models of Caffe, serialised by Google's protobuf, against `alexnet`.

    caffe_interop.py ALEXNET      ALEXNET: the built command

The messages are defined here a second time, more of them than src/formats/caffe.proto has, from Caffe's published
definition. Of each model every weight is compared after `convert`, and the logits of a picture before and after.
Needs python3-protobuf, python3-numpy and protoc; exit code 77 without.
"""
import importlib.util
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import google.protobuf  # noqa: F401, pylint: disable=unused-import
    import numpy as np
except ImportError as missing:
    print(missing)
    sys.exit(77)

DEFINITION = """
syntax = "proto2";
package caffe;
message BlobShape { repeated int64 dim = 1 [packed = true]; }
message BlobProto {
  optional BlobShape shape = 7;
  repeated float data = 5 [packed = true];
  repeated float diff = 6 [packed = true];
  repeated double double_data = 8 [packed = true];
  repeated double double_diff = 9 [packed = true];
  optional int32 num = 1 [default = 0];
  optional int32 channels = 2 [default = 0];
  optional int32 height = 3 [default = 0];
  optional int32 width = 4 [default = 0];
}
message FillerParameter {
  optional string type = 1 [default = "constant"];
  optional float value = 2 [default = 0];
  optional float std = 6 [default = 1];
}
message NetState { optional Phase phase = 1 [default = TEST]; optional int32 level = 2; repeated string stage = 3; }
enum Phase { TRAIN = 0; TEST = 1; }
message NetStateRule {
  optional Phase phase = 1; optional int32 min_level = 2; optional int32 max_level = 3;
  repeated string stage = 4; repeated string not_stage = 5;
}
message ParamSpec { optional string name = 1; optional float lr_mult = 3; optional float decay_mult = 4; }
message NetParameter {
  optional string name = 1;
  repeated string input = 3;
  repeated BlobShape input_shape = 8;
  repeated int32 input_dim = 4;
  optional bool force_backward = 5;
  optional NetState state = 6;
  optional bool debug_info = 7;
  repeated LayerParameter layer = 100;
  repeated V1LayerParameter layers = 2;
}
message TransformationParameter {
  optional float scale = 1 [default = 1]; optional bool mirror = 2; optional uint32 crop_size = 3;
  optional string mean_file = 4; repeated float mean_value = 5; optional bool force_color = 6;
}
message DataParameter {
  enum DB { LEVELDB = 0; LMDB = 1; }
  optional string source = 1; optional float scale = 2 [default = 1]; optional string mean_file = 3;
  optional uint32 batch_size = 4; optional uint32 crop_size = 5; optional bool mirror = 6;
  optional uint32 rand_skip = 7; optional DB backend = 8;
}
message ConvolutionParameter {
  optional uint32 num_output = 1; optional bool bias_term = 2 [default = true];
  repeated uint32 pad = 3; repeated uint32 kernel_size = 4; optional uint32 group = 5 [default = 1];
  repeated uint32 stride = 6; optional FillerParameter weight_filler = 7; optional FillerParameter bias_filler = 8;
  optional uint32 pad_h = 9; optional uint32 pad_w = 10; optional uint32 kernel_h = 11; optional uint32 kernel_w = 12;
  optional uint32 stride_h = 13; optional uint32 stride_w = 14;
}
message InnerProductParameter {
  optional uint32 num_output = 1; optional bool bias_term = 2 [default = true];
  optional FillerParameter weight_filler = 3; optional FillerParameter bias_filler = 4;
}
message LRNParameter {
  enum NormRegion { ACROSS_CHANNELS = 0; WITHIN_CHANNEL = 1; }
  optional uint32 local_size = 1 [default = 5]; optional float alpha = 2 [default = 1];
  optional float beta = 3 [default = 0.75]; optional NormRegion norm_region = 4; optional float k = 5 [default = 1];
}
message PoolingParameter {
  enum PoolMethod { MAX = 0; AVE = 1; STOCHASTIC = 2; }
  optional PoolMethod pool = 1; optional uint32 kernel_size = 2; optional uint32 stride = 3 [default = 1];
  optional uint32 pad = 4;
}
message DropoutParameter { optional float dropout_ratio = 1 [default = 0.5]; }
message AccuracyParameter { optional uint32 top_k = 1 [default = 1]; }
message LossParameter { optional int32 ignore_label = 1; }
message SoftmaxParameter { optional int32 axis = 2 [default = 1]; }
message ReLUParameter { optional float negative_slope = 1; }
message LayerParameter {
  optional string name = 1; optional string type = 2; repeated string bottom = 3; repeated string top = 4;
  repeated float loss_weight = 5; repeated ParamSpec param = 6; repeated BlobProto blobs = 7;
  repeated NetStateRule include = 8; repeated NetStateRule exclude = 9; optional Phase phase = 10;
  repeated bool propagate_down = 11; optional TransformationParameter transform_param = 100;
  optional LossParameter loss_param = 101; optional AccuracyParameter accuracy_param = 102;
  optional ConvolutionParameter convolution_param = 106; optional DataParameter data_param = 107;
  optional DropoutParameter dropout_param = 108; optional InnerProductParameter inner_product_param = 117;
  optional LRNParameter lrn_param = 118; optional PoolingParameter pooling_param = 121;
  optional ReLUParameter relu_param = 123; optional SoftmaxParameter softmax_param = 125;
}
message V1LayerParameter {
  repeated string bottom = 2; repeated string top = 3; optional string name = 4;
  repeated NetStateRule include = 32; repeated NetStateRule exclude = 33;
  enum LayerType {
    NONE = 0; ACCURACY = 1; CONVOLUTION = 4; DATA = 5; DROPOUT = 6; INNER_PRODUCT = 14; LRN = 15; POOLING = 17;
    RELU = 18; SOFTMAX = 20; SOFTMAX_LOSS = 21; SPLIT = 22;
  }
  optional LayerType type = 5; repeated BlobProto blobs = 6; repeated float blobs_lr = 7;
  repeated float weight_decay = 8; optional ConvolutionParameter convolution_param = 10;
  optional DataParameter data_param = 11; optional DropoutParameter dropout_param = 12;
  optional InnerProductParameter inner_product_param = 17; optional LRNParameter lrn_param = 18;
  optional PoolingParameter pooling_param = 19; optional AccuracyParameter accuracy_param = 27;
  optional ReLUParameter relu_param = 30; optional float loss_weight = 35;
  optional TransformationParameter transform_param = 36;
}
"""
V1_TYPES = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT", "LRN": "LRN", "Pooling": "POOLING",
            "ReLU": "RELU", "Dropout": "DROPOUT", "Data": "DATA", "SoftmaxWithLoss": "SOFTMAX_LOSS",
            "Split": "SPLIT", "Accuracy": "ACCURACY"}


def load_messages(folder):
    """The module that protoc makes of the definition."""
    if not shutil.which("protoc"):
        print("protoc is missing")
        sys.exit(77)
    (folder / "caffe_pb.proto").write_text(DEFINITION)
    subprocess.run(["protoc", f"--proto_path={folder}", f"--python_out={folder}", "caffe_pb.proto"], check=True)
    spec = importlib.util.spec_from_file_location("caffe_pb_pb2", folder / "caffe_pb_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model:
    """A network that grows layer by layer, and the weights put into it."""

    def __init__(self, messages, name, version, old_shapes, seed):
        self.messages, self.version, self.old_shapes = messages, version, old_shapes
        self.net = messages.NetParameter(name=name)
        self.random, self.top, self.maps, self.weights = np.random.default_rng(seed), "data", 3, []

    def layer(self, name, kind, bottom=None, top=None, **parameters):
        layer = self.net.layers.add() if self.version == 1 else self.net.layer.add()
        layer.name = name
        if self.version == 1:
            layer.type = self.messages.V1LayerParameter.LayerType.Value(V1_TYPES[kind])
        else:
            layer.type = kind
            layer.phase = self.messages.TRAIN  # as in every snapshot
        layer.bottom.extend(bottom or [])
        layer.top.extend(top or [])
        for key, fields in parameters.items():
            message = getattr(layer, key)
            for field, value in fields.items():
                if isinstance(value, list):
                    getattr(message, field).extend(value)
                else:
                    setattr(message, field, value)
        return layer

    def blob(self, layer, values):
        blob = layer.blobs.add()
        if self.old_shapes:
            blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - values.ndim) + values.shape
        else:
            blob.shape.dim.extend(values.shape)
        raw, length = values.tobytes(), b""  # extend() would take a second a million values
        rest = len(raw)
        while rest >= 128:
            length, rest = length + bytes([rest & 127 | 128]), rest >> 7
        blob.MergeFromString(bytes([5 << 3 | 2]) + length + bytes([rest]) + raw)
        self.weights.append(values)

    def fill(self, layer, shape):
        deviation = math.sqrt(2 / math.prod(shape[1:])) * (0.02 if shape[1:] == (4096,) else 1)
        self.blob(layer, self.random.standard_normal(shape, np.float32) * np.float32(deviation))
        self.blob(layer, self.random.standard_normal(shape[0], np.float32) * np.float32(0.05))

    def conv(self, name, maps, kernel, groups=1, **rest):
        layer = self.layer(name, "Convolution", [self.top], [name], convolution_param={
            "num_output": maps, "kernel_size": [kernel], "group": groups, **rest})
        self.fill(layer, (maps, self.maps // groups, kernel, kernel))
        self.top, self.maps = name, maps
        self.layer("relu" + name[-1], "ReLU", [name], [name])

    def pool(self, name):
        self.layer(name, "Pooling", [self.top], [name], pooling_param={"pool": 0, "kernel_size": 3, "stride": 2})
        self.top = name

    def norm(self, name):
        self.layer(name, "LRN", [self.top], [name], lrn_param={"local_size": 5, "alpha": 1e-4, "beta": 0.75})
        self.top = name

    def fc(self, name, units, inputs, hidden=True):
        layer = self.layer(name, "InnerProduct", [self.top], [name], inner_product_param={"num_output": units})
        self.fill(layer, (units, inputs))
        self.top = name
        if hidden:
            self.layer("relu" + name[-1], "ReLU", [name], [name])
            self.layer("drop" + name[-1], "Dropout", [name], [name], dropout_param={"dropout_ratio": 0.5})

    def build(self, order, classes, last):
        """The layers of BVLC's two models: order is "norm pool" or "pool norm"."""
        def between(index):
            for kind in order.split():
                getattr(self, kind)(f"{kind}{index}")
        self.conv("conv1", 96, 11, stride=[4])
        between(1)
        self.conv("conv2", 256, 5, 2, pad=[2])
        between(2)
        self.conv("conv3", 384, 3, pad=[1])
        self.conv("conv4", 384, 3, 2, pad=[1])
        self.conv("conv5", 256, 3, 2, pad=[1])
        self.pool("pool5")
        self.fc("fc6", 4096, 9216)
        self.fc("fc7", 4096, 4096)
        self.fc(last, classes, 4096, hidden=False)


def make_models(messages):
    """(name, network, classes, means, model), one after the other, for each takes 250 MB."""
    bvlc = [104.007, 116.669, 122.679]
    model = Model(messages, "AlexNet", 1, True, 1)  # as bvlc_alexnet.caffemodel
    model.layer("data", "Data", top=["data", "label"],
                data_param={"source": "ilsvrc12_train_lmdb", "batch_size": 256, "backend": 1},
                transform_param={"crop_size": 227, "mirror": True, "mean_file": "imagenet_mean.binaryproto"})
    model.build("norm pool", 1000, "fc8")
    model.layer("loss", "SoftmaxWithLoss", ["fc8", "label"], ["loss"])
    yield "v1", "caffe-alexnet", 1000, bvlc, model

    model = Model(messages, "CaffeNet", 2, False, 2)
    model.net.input.append("data")
    model.net.input_dim.extend([10, 3, 227, 227])
    model.build("pool norm", 1000, "fc8")
    yield "v2", "caffenet", 1000, bvlc, model

    # Fine-tuned: another last layer, means of its own, layers of one phase, copies for two of them.
    model = Model(messages, "fine", 2, True, 3)
    for phase in (messages.TRAIN, messages.TEST):
        model.layer("data", "Data", top=["data", "label"],
                    transform_param={"crop_size": 227, "mean_value": [101, 102, 103]}).include.add(phase=phase)
    model.layer("label_data_1_split", "Split", ["label"], ["label_0", "label_1"])
    model.build("norm pool", 10, "fc8_flowers")
    model.layer("split", "Split", ["fc8_flowers"], ["fc8_0", "fc8_1"])
    model.layer("accuracy", "Accuracy", ["fc8_0", "label_0"], ["accuracy"]).include.add(phase=messages.TEST)
    model.layer("loss", "SoftmaxWithLoss", ["fc8_1", "label_1"], ["loss"])
    yield "fine-tuned", "caffe-alexnet", 10, [101, 102, 103], model


def read_safetensors(path):
    """(metadata, tensors in the order of their bytes)"""
    content = path.read_bytes()
    size, = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__")
    entries = sorted(header.values(), key=lambda entry: entry["data_offsets"])
    return metadata, [np.frombuffer(content, np.float32, (e["data_offsets"][1] - e["data_offsets"][0]) // 4,
                                    8 + size + e["data_offsets"][0]).reshape(e["shape"]) for e in entries]


def run(command, *arguments):
    return json.loads(subprocess.run([command, *map(str, arguments), "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)


def check(command, folder, name, arch, classes, means, model):
    source, target, picture = folder / f"{name}.caffemodel", folder / f"{name}.safetensors", folder / "picture.ppm"
    weights = model.weights
    source.write_bytes(model.net.SerializeToString())
    model.net.Clear()
    result = run(command, "convert", source, target)
    assert (result["arch"], result["tensors"]) == (arch, 16), result
    metadata, tensors = read_safetensors(target)
    assert metadata["alexnet.arch"] == arch and metadata["alexnet.classes"] == str(classes), metadata
    preprocess = json.loads(metadata["alexnet.preprocess"])
    assert preprocess["channels"] == "bgr" and preprocess["scale"] == 1 and preprocess["crop"] == 227, preprocess
    assert np.allclose(preprocess["mean"], means, atol=1e-5) and preprocess["std"] == [1, 1, 1], preprocess
    assert len(tensors) == len(weights)
    for converted, original in zip(tensors, weights):
        assert converted.shape == original.shape and converted.tobytes() == original.tobytes(), name
    logits = []
    for path in (source, target):
        answer, = run(command, "classify", "--weights", path, "--logits", "--top", 5, picture)
        answer.pop("file")
        logits.append(answer)
    assert logits[0] == logits[1], name
    assert len(logits[0]["logits"]) == classes and np.ptp(logits[0]["logits"]) > 0.01
    source.unlink()
    target.unlink()
    print(f"{name}: {arch} with {classes} classes, every weight and every logit alike")


def main():
    command = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        messages = load_messages(folder)
        y, x = np.mgrid[0:240, 0:320]
        pixels = np.stack([x * 255 // 319, y * 255 // 239, (x * y) % 256], 2).astype(np.uint8)
        (folder / "picture.ppm").write_bytes(b"P6 320 240 255\n" + pixels.tobytes())
        for model in make_models(messages):
            check(command, folder, *model)


if __name__ == "__main__":
    main()
