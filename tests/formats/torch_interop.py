#!/usr/bin/env python3
"""What PyTorch saves is read here, and what is written here PyTorch reads.

    torch_interop.py ALEXNET TOOL_TENSORS

Small files hold everything that files differ in: generation, types of values, strides, shared
storages, checkpoints. Whole networks are few, since each takes 230 MB. Where PyTorch is missing, a
line says so, and the exit code is 77.
"""
import argparse
import collections
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy
    import torch
    import torchvision
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-torch, python3-torchvision)")
    sys.exit(77)

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
          torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
          torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64"}


def check(truth, what):
    if not truth:
        raise SystemExit(f"torch_interop: {what}")


def run(*arguments, fails=None):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if fails is None:
        check(done.returncode == 0, f"{arguments}: {done.stderr}")
    else:
        check(done.returncode == 1 and fails in done.stderr, f"{arguments}: {done.stderr}")
    return done.stdout


# --- small files ---------------------------------------------------------------------------------

def bits(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def lines(tensors):
    shape = "({})".format
    return sorted(f"{name} {DTYPES[t.dtype]} {shape(', '.join(map(str, t.shape)))} {bits(t).hex()}"
                  for name, t in tensors.items())


def compare_small(tool, path, tensors, what):
    # The tool ends each line with the values, of which an empty tensor has none.
    got = run(tool, path).splitlines()
    check(sorted(got) == lines(tensors), f"{what}: {got} is not {lines(tensors)}")


def both_generations(value, path):
    for zipped in (True, False):
        torch.save(value, path, _use_new_zipfile_serialization=zipped)
        yield "zip" if zipped else "stream"


def small_tensors():
    base = torch.randn(4, 6)
    tensors = collections.OrderedDict()
    for dtype in DTYPES:
        tensors[f"of.{dtype}"] = (torch.randn(2, 3) * 9).to(dtype)
    tensors["transposed"] = base.t()
    tensors["whole"] = base
    tensors["part"] = base[1:3, ::2]
    tensors["expanded"] = base[:, 1:2].expand(4, 3)
    tensors["permuted"] = torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2)
    tensors["last"] = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors["parameter"] = torch.nn.Parameter(torch.randn(3))
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 3)
    tensors["num_batches_tracked"] = torch.tensor(7)
    return tensors


def stepped_module():
    """A module in DataParallel, and its optimizer after a step."""
    module = torch.nn.DataParallel(torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(),
        torch.nn.Linear(18, 2)))
    optimizer = torch.optim.Adam(module.parameters())
    module.module(torch.randn(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    return module, optimizer


def checkpoint():
    module, optimizer = stepped_module()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
    return module.state_dict(), {
        "epoch": 3, "arch": "alexnet", "best_acc1": torch.tensor(0.5), "loss": 1.5,
        "accuracy": numpy.float64(0.25), "history": [1.0, 2.0, None, {"a": (1, 2)}],
        "array": numpy.arange(3), "args": argparse.Namespace(lr=0.1, gpu=None, data="x"),
        "device": torch.device("cpu"), "size": torch.Size([1, 2]), "dtype": torch.float32,
        "rng": torch.get_rng_state(), "counts": collections.defaultdict(list, {1: [2]}),
        "classes": {"cat", "dog"}, "large": 1 << 40, "negative": -5,
        "optimizer": optimizer.state_dict(), "scheduler": schedule.state_dict(),
        "state_dict": module.state_dict()}


def tar_of(tensors, views):
    """The tar generation, which no PyTorch at hand writes, but all of them read."""
    storages, listed = io.BytesIO(), io.BytesIO()
    pickle.dump(len(tensors), storages, 2)
    pickle.dump(len(tensors), listed, 2)
    for number, tensor in enumerate(tensors.values()):
        key = (1 << 40) + number
        values = tensor.reshape(-1) if tensor.is_contiguous() else tensor.t().reshape(-1)
        storage_class = {torch.float32: torch.FloatStorage, torch.float64: torch.DoubleStorage,
                         torch.int64: torch.LongStorage}[tensor.dtype]
        pickle.dump((key, "cpu", storage_class), storages, 2)
        storages.write(struct.pack("<q", values.numel()) + values.numpy().tobytes())
        of = key + 1000 if number in views else key
        pickle.dump((number, of, storage_class), listed, 2)
        listed.write(struct.pack(f"<i4x{tensor.dim()}q{tensor.dim()}qq", tensor.dim(),
                                 *tensor.shape, *tensor.stride(), 0))
    pickle.dump([((1 << 40) + n + 1000, (1 << 40) + n, 0, list(tensors.values())[n].numel())
                 for n in views], storages, 2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return obj[1] if isinstance(obj, tuple) and obj[:1] == ("tensor",) else None

    main = io.BytesIO()
    Pickler(main, 2).dump(collections.OrderedDict(
        (name, ("tensor", str(number))) for number, name in enumerate(tensors)))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("sys_info", io.BytesIO(pickle.dumps({}, 2))), ("pickle", main),
                              ("tensors", listed), ("storages", storages)):
            info = tarfile.TarInfo(name)
            info.size = len(content.getvalue())
            tar.addfile(info, io.BytesIO(content.getvalue()))
    return out.getvalue()


def test_small(tool, folder):
    path = os.path.join(folder, "small.pth")
    tensors = small_tensors()
    for generation in both_generations(tensors, path):
        compare_small(tool, path, tensors, f"tensors, {generation}")
    for generation in both_generations(dict(tensors), path):
        compare_small(tool, path, tensors, f"dict, {generation}")
    state, whole = checkpoint()
    for generation in both_generations(whole, path):
        compare_small(tool, path, state, f"checkpoint, {generation}")
    for generation in both_generations({"model": {"state_dict": state}}, path):
        compare_small(tool, path, state, f"nested, {generation}")
    for generation in both_generations(stepped_module()[0], path):
        run(tool, path, fails="torch.nn.parallel.data_parallel DataParallel'")
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    run(tool, path, fails="TorchScript")

    old = collections.OrderedDict(a=torch.randn(2, 3), b=torch.randn(3, 2).t(),
                                  c=torch.arange(5), d=torch.randn(2).double())
    with open(path, "wb") as file:
        file.write(tar_of(old, views=[1, 2]))
    theirs = torch.load(path)
    check(all(torch.equal(theirs[name], old[name]) for name in old), "the tar made here")
    compare_small(tool, path, old, "tar")

    class Evil:
        def __reduce__(self):
            return os.system, ("touch " + os.path.join(folder, "executed"),)

    for generation in both_generations({"state_dict": {"w": torch.zeros(1)}, "x": Evil()}, path):
        run(tool, path, fails="'posix system'")
        check(not os.path.exists(os.path.join(folder, "executed")), f"executed, {generation}")


# --- whole networks ------------------------------------------------------------------------------

def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    values = numpy.memmap(path, mode="r")[8 + size:]
    return {name: torch.from_numpy(values[slice(*about["data_offsets"])].view("<f4").reshape(
        about["shape"]).copy()) for name, about in header.items() if about["dtype"] == "F32"}


def equal_bits(left, right):
    return left.keys() == right.keys() and all(
        torch.equal(left[name].view(torch.int32), right[name].view(torch.int32)) for name in left)


def test_torchvision(alexnet, folder):
    """A state dictionary computes the same here, and a prefixed checkpoint has the same bits."""
    path, ours = os.path.join(folder, "tv.pth"), os.path.join(folder, "tv.safetensors")
    torch.manual_seed(6)
    model = torchvision.models.alexnet(num_classes=10).eval()
    state = {name: value.detach() for name, value in model.state_dict().items()}
    torch.save(model.state_dict(), path)
    images = torch.randn(2, 3, 224, 224)
    numpy.save(os.path.join(folder, "in.npy"), images.numpy())
    run(alexnet, "forward", "--weights", path, os.path.join(folder, "in.npy"),
        os.path.join(folder, "out.npy"))
    logits = numpy.load(os.path.join(folder, "out.npy"))
    with torch.no_grad():
        expected = model(images).numpy()
    error = numpy.abs(logits - expected).max() / numpy.abs(expected).max()
    check(error < 1e-4, f"logits differ by {error} relative")
    print(f"torchvision: logits differ by {error:.1e} relative")

    prefixed = collections.OrderedDict(("module." + name, value) for name, value in state.items())
    turned = "module.classifier.4.weight"
    prefixed[turned] = prefixed[turned].t().contiguous().t()
    check(not prefixed[turned].is_contiguous(), "a transposed weight")
    torch.save({"epoch": 1, "state_dict": prefixed, "optimizer": {"state": {}}}, path,
               _use_new_zipfile_serialization=False)
    run(alexnet, "convert", path, ours)
    check(equal_bits(read_safetensors(ours), state), "bits of the checkpoint")

    run(alexnet, "convert", ours, path)
    theirs = torch.load(path, weights_only=True)
    check(isinstance(theirs, collections.OrderedDict) and list(theirs) == list(state) and
          equal_bits(theirs, state), "bits of what was written here")
    model.load_state_dict(theirs)


def test_mixed(alexnet, folder):
    """The network `alexnet`, its tensors in every type, comes to float32, and goes to bfloat16."""
    path, ours = os.path.join(folder, "mixed.pth"), os.path.join(folder, "mixed.safetensors")
    shapes = {"conv1": (96, 3, 11, 11), "conv2": (256, 96, 5, 5), "conv3": (384, 256, 3, 3),
              "conv4": (384, 384, 3, 3), "conv5": (256, 384, 3, 3), "fc6": (4096, 9216),
              "fc7": (4096, 4096), "fc8": (10, 4096)}
    mixed = {}
    for number, (layer, shape) in enumerate(shapes.items()):
        dtype = [torch.float16, torch.bfloat16, torch.float64, torch.float32][number % 4]
        values = torch.empty(shape).normal_() if number < 5 else torch.empty(shape[0], 1).normal_()
        mixed[layer + ".weight"] = values.to(dtype).expand(shape).contiguous()
        mixed[layer + ".bias"] = torch.randn(shape[0]).to(dtype)
    expected = {name: value.float() for name, value in mixed.items()}
    torch.save(mixed, path)
    run(alexnet, "convert", path, ours)
    check(equal_bits(read_safetensors(ours), expected), "bits of mixed types")
    run(alexnet, "convert", ours, path, "--precision", "bf16")
    theirs = torch.load(path, weights_only=True)
    check(all(theirs[name].dtype == torch.bfloat16 for name in theirs) and
          equal_bits({name: value.float() for name, value in theirs.items()},
                     {name: value.bfloat16().float() for name, value in expected.items()}),
          "bits of bfloat16 that was written here")


def main(alexnet, tool):
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        test_small(tool, folder)
        test_torchvision(alexnet, folder)
        test_mixed(alexnet, folder)
    print("PyTorch's files are read, and PyTorch reads those written here")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
