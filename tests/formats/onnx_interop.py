#!/usr/bin/env python3
"""ONNX with others' tools: what is written here passes onnx's checker, and what they write is read.

usage: onnx_interop.py ALEXNET TOOL_NETWORKS

Exit code 77: onnx or numpy is missing; without PyTorch its exports are passed over.
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ALEXNET, TOOL = sys.argv[1:3]
FLOAT = TensorProto.FLOAT
CHAIN = {"Conv", "Relu", "LRN", "MaxPool", "Flatten", "Gemm"}


def run(*words, fails=None):
    """Runs a command; where it must fail, with a sentence that holds `fails`."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if fails is None:
        assert done.returncode == 0, f"{words}: {done.stderr}"
    else:
        assert done.returncode == 1, f"{words}: exit code {done.returncode}"
        assert fails in done.stderr, f"{words}: {done.stderr}"
    return done.stdout


def load(path):
    """The tensors of a safetensors file."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(content, np.float32, -1, 8 + length + entry["data_offsets"][0])
            [:int(np.prod(entry["shape"]))].reshape(entry["shape"])
            for name, entry in header.items()}


def read(model, arch):
    """A model's weights by way of this project, which must find out that it is `arch`."""
    out = model.with_suffix(".safetensors")
    assert json.loads(run(ALEXNET, "convert", "--json", model, out))["arch"] == arch, model
    weights = load(out)
    out.unlink()
    return weights


def check_equal(weights, expected, what):
    assert weights.keys() == expected.keys(), what
    for name, values in expected.items():
        assert np.array_equal(weights[name], values), f"{what}: {name}"


# --- written here ------------------------------------------------------------------------------

def shape_of(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def check_written(arch, folder):
    """An export with few classes of a small picture: valid, dynamic batch, the weights to the bit,
    and read back by what it says and, where it is a chain, by what it does."""
    plain, inside, bare = (folder / name for name in ("plain.onnx", "inside.onnx", "bare.onnx"))
    run(TOOL, arch, 3, 67, plain)
    model = onnx.load(plain)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 13
    assert shape_of(model.graph.input[0]) == ["N", 3, 67, 67]
    assert shape_of(model.graph.output[0]) == ["N", 3]
    assert model.graph.input[0].name == "input" and model.graph.output[0].name == "logits"
    content = plain.read_bytes()
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer
               if t.name.endswith((".weight", ".bias"))}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            assert content.find(tensor.raw_data[:256]) % 64 == 0, f"{arch}: {tensor.name}"

    run(ALEXNET, "convert", "--preprocess", plain, inside)
    run(TOOL, plain, inside)
    pixels = onnx.load(inside)
    onnx.checker.check_model(pixels, full_check=True)
    assert pixels.graph.input[0].name == "pixels"
    assert pixels.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8

    del model.metadata_props[:]
    if {node.op_type for node in model.graph.node} <= CHAIN:
        onnx.save(model, bare)
        run(TOOL, plain, bare)
    else:
        replace_weights(model, "fc7.weight", None)
        replace_weights(model, "classifier.1.weight", None)
        onnx.save(model, bare)
        run(TOOL, bare, plain, fails="node '")
    return model, weights


# --- the forms that exporters give the same network --------------------------------------------

def replace_weights(model, name, tensor):
    for at, old in enumerate(model.graph.initializer):
        if old.name == name:
            del model.graph.initializer[at]
            break
    if tensor is not None:
        model.graph.initializer.append(tensor)


def as_mat_mul(model, weights):
    """fc8 as MatMul and Add, its weights (I, O)."""
    last = model.graph.node[-1]
    at = len(model.graph.node) - 1
    data = last.input[0]
    model.graph.node.remove(last)
    model.graph.node.insert(at, helper.make_node("MatMul", [data, "fc8.weight"], ["product"]))
    model.graph.node.insert(at + 1, helper.make_node("Add", ["fc8.bias", "product"], ["logits"]))
    replace_weights(model, "fc8.weight",
                    numpy_helper.from_array(weights["fc8.weight"].T.copy(), "fc8.weight"))


def as_constants(model, weights):
    """conv1's weights from a Constant, its biases by way of Identity and Cast, fc8's transposed."""
    nodes = model.graph.node
    replace_weights(model, "conv1.weight", None)
    value = numpy_helper.from_array(weights["conv1.weight"])
    nodes.insert(0, helper.make_node("Constant", [], ["conv1.weight"], value=value))
    nodes[1].input[2] = "cast"
    nodes.insert(1, helper.make_node("Identity", ["conv1.bias"], ["same"]))
    nodes.insert(2, helper.make_node("Cast", ["same"], ["cast"], to=FLOAT))
    del nodes[-1].attribute[:]
    nodes[-1].input[1] = "turned"
    nodes.insert(3, helper.make_node("Transpose", ["fc8.weight"], ["turned"], perm=[1, 0]))


def with_softmax(model, weights):
    model.graph.node[-1].output[0] = "fc8"
    model.graph.node.append(helper.make_node("Dropout", ["fc8"], ["dropped"]))
    model.graph.node.append(helper.make_node("Softmax", ["dropped"], ["logits"]))


def with_shape(model, weights):
    """Reshape by a shape that the graph works out, as PyTorch's x.view(x.size(0), -1) becomes."""
    for at, node in enumerate(model.graph.node):
        if node.op_type == "Flatten":
            break
    data, out = node.input[0], node.output[0]
    model.graph.node.remove(node)
    for name, values in (("zero", 0), ("axes", [0]), ("rest", [-1])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    for node in reversed([
            helper.make_node("Shape", [data], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
            helper.make_node("Unsqueeze", ["batch", "axes"], ["first"]),
            helper.make_node("Concat", ["first", "rest"], ["to"], axis=0),
            helper.make_node("Reshape", [data, "to"], [out])]):
        model.graph.node.insert(at, node)


def in_numbers(model, weights):
    """Values in the fields that are made for their type rather than as raw bytes."""
    for name in ("conv2.weight", "conv2.bias", "fc6.bias"):
        tensor = helper.make_tensor(name, FLOAT, weights[name].shape,
                                    weights[name].ravel().tolist())
        replace_weights(model, name, tensor)
    tensor = helper.make_tensor("conv3.bias", TensorProto.DOUBLE, weights["conv3.bias"].shape,
                                weights["conv3.bias"].tolist())
    replace_weights(model, "conv3.bias", tensor)


def in_halves(model, weights):
    """float16, as raw bytes and as numbers; the values are then rounded."""
    for name in ("conv1.weight", "conv1.bias", "fc8.bias"):
        halves = weights[name].astype(np.float16)
        weights[name] = halves.astype(np.float32)
        tensor = numpy_helper.from_array(halves, name)
        if name != "conv1.bias":
            tensor.ClearField("raw_data")
            tensor.int32_data.extend(halves.ravel().view(np.uint16).tolist())
        replace_weights(model, name, tensor)


def check_forms(model, weights, folder):
    path = folder / "form.onnx"
    for forms in ((as_mat_mul, with_softmax, in_halves), (as_constants, with_shape, in_numbers)):
        changed, expected = onnx.ModelProto(), dict(weights)
        changed.CopyFrom(model)
        for form in forms:
            form(changed, expected)
        onnx.save(changed, path)
        check_equal(read(path, "alexnet"), expected, [form.__name__ for form in forms])
    onnx.save_model(model, str(folder / "beside.onnx"), save_as_external_data=True,
                    location="beside.data")
    check_equal(read(folder / "beside.onnx", "alexnet"), weights, "external data")
    with open(folder / "beside.data", "r+b") as data:
        data.truncate(1000000)
    run(ALEXNET, "convert", folder / "beside.onnx", folder / "no.safetensors",
        fails="not copied whole")
    (folder / "beside.data").unlink()
    run(ALEXNET, "convert", folder / "beside.onnx", folder / "no.safetensors", fails="beside.data")


# --- the model zoo -----------------------------------------------------------------------------

def make_zoo(pool_first, classes, random):
    """bvlcalexnet or caffenet as Caffe2 exported them: nodes without names, initialisers that are
    inputs, too, pads at the end where Caffe rounds up, a Reshape, Dropout with a mask. With 71
    pixels each pooling layer rounds: 16, 8, 4, 2."""
    nodes, tensors = [], []

    def weights(name, *shape):
        values = random.standard_normal(shape, np.float32)
        tensor = numpy_helper.from_array(values, name)
        if values.size < 500000:
            tensor = helper.make_tensor(name, FLOAT, shape, values.ravel().tolist())
        tensors.append(tensor)
        return name

    def conv(data, out, o, i, kernel, pad, stride, group):
        nodes.append(helper.make_node(
            "Conv", [data, weights(f"{out}_w_0", o, i, kernel, kernel), weights(f"{out}_b_0", o)],
            [f"{out}_1"], group=group, kernel_shape=[kernel] * 2, pads=[pad] * 4,
            strides=[stride] * 2))
        nodes.append(helper.make_node("Relu", [f"{out}_1"], [f"{out}_2"]))
        return f"{out}_2"

    def lrn(data, out):
        nodes.append(helper.make_node("LRN", [data], [out], size=5, alpha=1e-4, beta=0.75,
                                      bias=1.0))
        return out

    def pool(data, out, end):
        nodes.append(helper.make_node("MaxPool", [data], [out], kernel_shape=[3, 3],
                                      pads=[0, 0, end, end], strides=[2, 2]))
        return out

    def pool_and_lrn(data, number, end):
        if pool_first:
            return lrn(pool(data, f"pool{number}_1", end), f"norm{number}_1")
        return pool(lrn(data, f"norm{number}_1"), f"pool{number}_1", end)

    def gemm(data, out, o, i):
        nodes.append(helper.make_node(
            "Gemm", [data, weights(f"{out}_w_0", o, i), weights(f"{out}_b_0", o)], [f"{out}_1"],
            transB=1))
        return f"{out}_1"

    def relu_and_dropout(data, out):
        nodes.append(helper.make_node("Relu", [data], [f"{out}_2"]))
        nodes.append(helper.make_node("Dropout", [f"{out}_2"], [f"{out}_3", f"_{out}_mask_1"]))
        return f"{out}_3"

    data = pool_and_lrn(conv("data_0", "conv1", 96, 3, 11, 0, 4, 1), 1, 1)
    data = pool_and_lrn(conv(data, "conv2", 256, 48, 5, 2, 1, 2), 2, 1)
    data = conv(data, "conv3", 384, 256, 3, 1, 1, 1)
    data = conv(data, "conv4", 384, 192, 3, 1, 1, 2)
    data = pool(conv(data, "conv5", 256, 192, 3, 1, 1, 2), "pool5_1", 1)
    nodes.append(helper.make_node("Reshape", [data, "OC2_DUMMY_1"], ["OC2_DUMMY_0"]))
    data = relu_and_dropout(gemm("OC2_DUMMY_0", "fc6", 4096, 1024), "fc6")
    data = relu_and_dropout(gemm(data, "fc7", 4096, 4096), "fc7")
    nodes.append(helper.make_node("Softmax", [gemm(data, "fc8", classes, 4096)], ["prob_1"],
                                  axis=1))
    tensors.append(helper.make_tensor("OC2_DUMMY_1", TensorProto.INT64, [2], [1, 1024]))
    inputs = [helper.make_tensor_value_info("data_0", FLOAT, [1, 3, 71, 71])]
    inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    output = helper.make_tensor_value_info("prob_1", FLOAT, [1, classes])
    graph = helper.make_graph(nodes, "zoo", inputs, [output], tensors)
    model = helper.make_model(graph, producer_name="onnx-caffe2",
                              opset_imports=[helper.make_opsetid("", 8)])
    model.ir_version = 3
    return model


def check_zoo(arch, folder, random):
    model = make_zoo(arch == "caffenet", 7, random)
    onnx.checker.check_model(model)
    path = folder / "zoo.onnx"
    onnx.save(model, path)
    expected = {t.name.replace("_w_0", ".weight").replace("_b_0", ".bias"):
                numpy_helper.to_array(t) for t in model.graph.initializer if "DUMMY" not in t.name}
    check_equal(read(path, arch), expected, f"the zoo's {arch}")


# --- PyTorch -----------------------------------------------------------------------------------

def check_torch(folder):
    try:
        import torch
        import torchvision
    except ImportError as missing:
        print(f"PyTorch's exports were passed over: {missing}")
        return
    torch.manual_seed(3)
    network = torchvision.models.alexnet(num_classes=5).eval()
    path = folder / "torch.onnx"
    torch.onnx.export(network, torch.zeros(1, 3, 224, 224), path)
    expected = {name: values.numpy() for name, values in network.state_dict().items()}
    check_equal(read(path, "torchvision"), expected, f"PyTorch {torch.__version__}")


def roomy_folder():
    """Memory rather than a disk where there is enough; None: the usual folder."""
    memory = pathlib.Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 2e9 else None


def main():
    random = np.random.default_rng(5)
    archs = subprocess.run([TOOL], check=True, capture_output=True, text=True).stdout.split()
    with tempfile.TemporaryDirectory(dir=roomy_folder()) as temporary:
        folder = pathlib.Path(temporary)
        for arch in archs:
            model, weights = check_written(arch, folder)
            if arch == "alexnet":
                check_forms(model, weights, folder)
        for arch in ("caffe-alexnet", "caffenet"):
            check_zoo(arch, folder, random)
        check_torch(folder)
    print(f"onnx {onnx.__version__}: {len(archs)} networks written, and models of others read")


if __name__ == "__main__":
    main()
