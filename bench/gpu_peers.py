"""PyTorch on the card, in every dress that may make it fast; started by bench/gpu.

It answers questions, a line of JSON each, from standard input:

    {"versions": true}
    {"network": "torchvision", "mode": "train", "batch": 256, "numbers": "autocast bf16",
     "layout": "channels last", "compile": null}

with a line for each way to run such a step, the first as it is, the next as a CUDA graph,

    {"run": "eager", "seconds": 0.0101, "fed": 0.0142, "memory": 4012345678}
    {"run": "CUDA graph", ...}

then perhaps {"failure": "why"}, and last {"done": true}. Times are medians, from CUDA event to CUDA event: "seconds"
with the pictures resident on the card, "fed" with a copy of them from pinned memory in each step. Training is
forward, cross-entropy, backward and fused SGD with momentum and weight decay. cuDNN chooses by measuring.
"""
import contextlib
import gc
import json
import os
import statistics
import sys
import time

import networks

DEVICE = "cuda"
WARM_UP, SECONDS, STEPS, MOST_STEPS = 0.2, 0.4, 10, 2000
CAPTURE_WARM_UP = 3  # steps before a graph is captured: lazy initialisation must not be part of it

# How to compile (torch.compile's mode), and what is then run: the second a graph captured by hand.
RUNS = {None: ["eager", "CUDA graph"],
        "max-autotune-no-cudagraphs": ["compiled", "compiled, CUDA graph"],
        "max-autotune": ["compiled with CUDA graphs"]}


def median_of(step):
    import torch
    begin = time.perf_counter()
    count = 0
    while count < CAPTURE_WARM_UP or time.perf_counter() - begin < WARM_UP:
        step()
        torch.cuda.synchronize()
        count += 1
    begin = time.perf_counter()
    step()
    torch.cuda.synchronize()
    count = min(max(int(SECONDS / (time.perf_counter() - begin)), STEPS), MOST_STEPS)
    events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(events, events[1:])) / 1e3


def captured(step):
    """The step as a CUDA graph, captured by hand."""
    import torch
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(CAPTURE_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def set_numbers(numbers):
    """Allows TF32 or not; returns the type of weights and pictures, and the autocast around a step."""
    import torch
    torch.set_float32_matmul_precision("high" if numbers == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = numbers == "tf32"
    short = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(numbers.split()[-1])
    if numbers.startswith("autocast"):
        return torch.float32, lambda: torch.autocast(DEVICE, short)
    return short or torch.float32, contextlib.nullcontext


def make(spec, dtype):
    """The network and its pictures, on the card and in the layout asked for."""
    import torch
    torch.manual_seed(1)
    layout = torch.channels_last if spec["layout"] == "channels last" else torch.contiguous_format
    with torch.device(DEVICE):
        network = networks.torch_module(spec["network"])
        side = networks.NETWORKS[spec["network"]].side
        pictures = torch.randn(spec["batch"], 3, side, side)
    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = True  # as torchvision has it
    return network.to(dtype=dtype, memory_format=layout), pictures.to(dtype=dtype, memory_format=layout)


def compiled(spec, function):
    """The function, compiled where that is asked for; weights that stay as they are become constants."""
    import torch
    if not spec["compile"]:
        return function
    import torch._inductor.config
    torch._inductor.config.freezing = spec["mode"] == "infer"
    return torch.compile(function, mode=spec["compile"])


def inference(spec, network, pictures, cast):
    network.eval()
    forward = compiled(spec, network)

    def step():
        with cast():
            forward(pictures)
    return step


def training(spec, network, pictures, cast):
    import torch
    network.train()
    labels = torch.arange(spec["batch"], device=DEVICE) % networks.CLASSES
    solver = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    scaler = torch.amp.GradScaler(DEVICE, enabled=spec["numbers"] == "autocast fp16")
    loss_of = compiled(spec, lambda x, y: torch.nn.functional.cross_entropy(network(x), y))

    def step():
        solver.zero_grad(set_to_none=True)
        if spec["compile"] == "max-autotune":
            torch.compiler.cudagraph_mark_step_begin()
        with cast():
            loss = loss_of(pictures, labels)
        scaler.scale(loss).backward()
        scaler.step(solver)
        scaler.update()
    return step


def gradients(spec):
    """Those of training; the compiler does not take inference mode."""
    import torch
    if spec["mode"] == "train":
        return contextlib.nullcontext()
    return torch.no_grad() if spec["compile"] else torch.inference_mode()


def measure(spec):
    import torch
    torch.backends.cudnn.benchmark = True
    dtype, cast = set_numbers(spec["numbers"])
    network, pictures = make(spec, dtype)
    host = torch.empty_like(pictures, device="cpu", pin_memory=True).copy_(pictures)
    step = (training if spec["mode"] == "train" else inference)(spec, network, pictures, cast)
    with gradients(spec):
        for i, run in enumerate(RUNS[spec["compile"]]):
            if i == 1:
                step = captured(step)

            def fed(step=step):
                pictures.copy_(host, non_blocking=True)
                step()
            torch.cuda.reset_peak_memory_stats()
            yield {"run": run, "seconds": median_of(step), "fed": median_of(fed),
                   "memory": torch.cuda.max_memory_allocated()}


def versions():
    import torch
    if not torch.cuda.is_available():
        raise RuntimeError(f"PyTorch {torch.__version__} sees no GPU")
    yield {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
           "card": torch.cuda.get_device_name()}


def forget():
    """Gives the card's memory back, and what was compiled."""
    if "torch" not in sys.modules:
        return
    import torch
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def reason(problem):
    """In one line."""
    text = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {text[0] if text else ''}"[:200]


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(what):
        print(json.dumps(what), file=answers, flush=True)
    for line in sys.stdin:
        spec = json.loads(line)
        try:
            for result in versions() if spec.get("versions") else measure(spec):
                answer(result)
        except Exception as problem:  # whatever PyTorch throws, the next question is another one
            answer({"failure": reason(problem)})
            if "CUDA error" in str(problem):  # after which nothing works any more in this process
                answer({"done": True})
                return
        forget()
        answer({"done": True})


if __name__ == "__main__":
    main()
