"""One measurement of one peer, in a process of its own, asked for its best; started by bench/compare.

    peer.py '{"peer": "openvino", "network": "alexnet", "mode": "infer", "batch": 1, "precision": "fp32",
              "threads": 2, "folder": "/tmp/..."}'

prints, as its last line, {"seconds": the median of a step of the whole batch, "peak_memory": bytes}.
"""
import json
import os
import resource
import statistics
import sys
import time

import numpy as np

import networks

WARM_UP, SECONDS, STEPS = 0.5, 3.0, 5  # as `alexnet bench` does


def median_of(step):
    begin = time.perf_counter()
    step()
    while time.perf_counter() - begin < WARM_UP:
        step()
    times = []
    begin = time.perf_counter()
    while len(times) < STEPS or time.perf_counter() - begin < SECONDS:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def pictures(spec, batch=None):
    side = networks.NETWORKS[spec["network"]].side
    return np.random.default_rng(1).standard_normal((batch or spec["batch"], 3, side, side), dtype=np.float32)


# ---- PyTorch: eager, with channels last, compiled

def torch_network(spec):
    """The network and its pictures in the layout that the peer is about."""
    import torch
    torch.manual_seed(1)
    torch.set_num_threads(spec["threads"])
    network, x = networks.torch_module(spec["network"]), torch.from_numpy(pictures(spec))
    if spec["peer"] != "torch":
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    return network, x


def torch_infer(spec):
    import torch
    network, x = torch_network(spec)
    network.eval()
    if spec["precision"] == "bf16":
        network, x = network.to(torch.bfloat16), x.to(torch.bfloat16)
    if spec["peer"] == "torch-compiled":
        import torch._inductor.config
        torch._inductor.config.freezing = True
        network = torch.compile(network)
    elif spec["precision"] == "bf16":
        for module in network.modules():
            if isinstance(module, torch.nn.LocalResponseNorm):  # has no bfloat16 but when compiled
                module.forward = lambda x, norm=module.forward: norm(x.float()).to(torch.bfloat16)
    with torch.inference_mode(spec["peer"] != "torch-compiled"), torch.no_grad():
        return median_of(lambda: network(x))


def torch_train(spec):
    import torch
    network, x = torch_network(spec)
    labels = torch.arange(spec["batch"]) % networks.CLASSES
    solver = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    forward = torch.compile(network) if spec["peer"] == "torch-compiled" else network

    def step():
        solver.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=spec["precision"] == "bf16"):
            loss = torch.nn.functional.cross_entropy(forward(x), labels)
        loss.backward()
        solver.step()
    network.train()
    return median_of(step)


def run_torch(spec):
    return torch_infer(spec) if spec["mode"] == "infer" else torch_train(spec)


# ---- ONNX: one file a network, from PyTorch, and its copy in int8

def onnx_path(spec, precision):
    return os.path.join(spec["folder"], f"{spec['network']}-{precision}.onnx")


def prepare(spec):
    """Writes the ONNX files of a network: quantised statically, a scale for each output channel."""
    import torch
    from onnxruntime import quantization
    torch.onnx.export(networks.torch_module(spec["network"]).eval(), (torch.from_numpy(pictures(spec, 2)),),
                      onnx_path(spec, "fp32"), input_names=["x"], output_names=["y"], dynamo=False,
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})

    class Calibration(quantization.CalibrationDataReader):
        rest = [{"x": picture[None]} for picture in pictures(spec, 8)]

        def get_next(self):
            return self.rest.pop() if self.rest else None
    quantization.quantize_static(onnx_path(spec, "fp32"), onnx_path(spec, "int8"), Calibration(), per_channel=True,
                                 quant_format=quantization.QuantFormat.QDQ,
                                 activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8)


def run_onnxruntime(spec):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = spec["threads"], 1
    session = onnxruntime.InferenceSession(onnx_path(spec, spec["precision"]), options, ["CPUExecutionProvider"])
    feed = {"x": pictures(spec)}
    return median_of(lambda: session.run(["y"], feed))


def run_openvino(spec):
    import openvino
    core = openvino.Core()
    model = core.read_model(onnx_path(spec, "int8" if spec["precision"] == "int8" else "fp32"))
    x = pictures(spec)
    model.reshape(list(x.shape))
    request = core.compile_model(model, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": spec["threads"],
        "INFERENCE_PRECISION_HINT": "bf16" if spec["precision"] == "bf16" else "f32"}).create_infer_request()
    request.set_input_tensor(openvino.Tensor(x))
    return median_of(request.infer)


# ---- ncnn: one picture after the other, which is all it takes

def run_ncnn(spec):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = spec["threads"]
    net.opt.use_bf16_storage = spec["precision"] == "bf16"
    if spec["precision"] == "fp32":  # it would keep some weights as float16 else
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param_mem(networks.ncnn_text(spec["network"]))
    net.load_model(ncnn.DataReaderFromEmpty())
    mats = [ncnn.Mat(picture).clone() for picture in pictures(spec)]  # a Mat does not keep its array alive

    def step():
        for mat in mats:
            with net.create_extractor() as extractor:
                extractor.input("x", mat)
                extractor.extract("y")
    return median_of(step)


RUNS = {"torch": run_torch, "torch-channels-last": run_torch, "torch-compiled": run_torch,
        "onnxruntime": run_onnxruntime, "openvino": run_openvino, "ncnn": run_ncnn}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("prepare"):
        prepare(asked)
    else:
        seconds = RUNS[asked["peer"]](asked)
        print(json.dumps({"seconds": seconds,
                          "peak_memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
