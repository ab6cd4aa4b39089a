#!/usr/bin/env python3
"""What `alexnet pack` writes, read by liblmdb and Google's protobuf; and what these write, read by `alexnet`.

    pack_interop.py ALEXNET      ALEXNET: the built command

Pictures are drawn here, packed, and compared with what PIL makes of the same files; the mean image, means and
covariance with numpy's. Databases are written as Caffe's convert_imageset does, and read by packing them raw.
Needs python3-lmdb, python3-numpy, python3-pil, python3-protobuf and protoc; exit code 77 without.
"""
import importlib.util
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import google.protobuf  # noqa: F401, pylint: disable=unused-import
    import lmdb
    import numpy as np
    from PIL import Image, ImageOps
except ImportError as missing:
    print(missing)
    sys.exit(77)

DEFINITION = """
syntax = "proto2";
package caffe;
message Datum {
  optional int32 channels = 1; optional int32 height = 2; optional int32 width = 3;
  optional bytes data = 4; optional int32 label = 5; repeated float float_data = 6;
  optional bool encoded = 7 [default = false];
}
message BlobProto {
  repeated float data = 5 [packed = true];
  optional int32 num = 1 [default = 0]; optional int32 channels = 2 [default = 0];
  optional int32 height = 3 [default = 0]; optional int32 width = 4 [default = 0];
}
"""


def load_messages(folder):
    """The module that protoc makes of the definition."""
    if not shutil.which("protoc"):
        print("protoc is missing")
        sys.exit(77)
    (folder / "datum.proto").write_text(DEFINITION)
    subprocess.run(["protoc", f"--proto_path={folder}", f"--python_out={folder}", "datum.proto"], check=True)
    spec = importlib.util.spec_from_file_location("datum_pb2", folder / "datum_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def alexnet(command, *arguments, code=0, part=""):
    run = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False)
    if run.returncode != code or part not in run.stderr:
        sys.exit(f"alexnet {arguments}: exit code {run.returncode} (expected {code}), {run.stdout}{run.stderr}")
    return run.stdout


def pack(command, *arguments):
    return json.loads(alexnet(command, "pack", *arguments, "--json"))


def check(what, holds):
    if not holds:
        sys.exit(f"{what}: not so")


def draw(random, width, height):
    """A smooth picture, which JPEG keeps well, and which is not the same anywhere."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / random.uniform(9, 30) + random.uniform(0, 6)) + np.cos(y / random.uniform(9, 30))
             for _ in range(3)]
    return np.stack([127.5 + 60 * wave for wave in waves], axis=2).astype(np.uint8)


def draw_folders(folder, random):
    """Class folders with a picture of every kind in each."""
    for label, name in enumerate(["ant", "bee", "cow"]):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            picture = Image.fromarray(draw(random, 100 + 37 * i, 250 - 20 * i - label))
            path = folder / name / f"{i}.jpg"
            if i == 1:
                picture.save(folder / name / "1.png")
            elif i == 2:
                picture.convert("L").save(path, quality=95)
            elif i == 3:
                picture.convert("CMYK").save(path, quality=95)
            elif i == 4:
                exif = picture.getexif()
                exif[0x0112] = 6
                picture.save(path, quality=95, exif=exif)
            else:
                picture.save(path, quality=95, progressive=i == 5)


def expected(path, side):
    """A picture as torchvision would resize it."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    if side == 0:
        return np.asarray(picture, dtype=int)
    width, height = picture.size
    long_side = int(side * max(width, height) / min(width, height))
    size = (side, long_side) if width <= height else (long_side, side)
    return np.asarray(picture.resize(size, Image.BILINEAR), dtype=int)


def records(folder, messages):
    """(key, Datum) of every record, the parsed message written again being the same bytes."""
    with lmdb.open(str(folder), readonly=True, lock=False) as env, env.begin() as transaction:
        found = []
        for key, value in transaction.cursor():
            datum = messages.Datum.FromString(value)
            check(f"{key} as protobuf writes it", datum.SerializeToString() == value)
            check(f"{key} is found", transaction.get(key) == value)
            found.append((key.decode(), datum))
        check("the count", transaction.stat()["entries"] == len(found))
        return found


def pixels(datum):
    """A Datum as (H, W, 3) RGB."""
    if datum.encoded:
        return np.asarray(Image.open(io.BytesIO(datum.data)).convert("RGB"), dtype=int)
    shape = (datum.channels, datum.height, datum.width)
    return np.frombuffer(datum.data, np.uint8).reshape(shape)[::-1].transpose(1, 2, 0).astype(int)


def check_folders(command, messages, folder, random):
    """JPEG, PNG, gray, CMYK, turned, progressive: to JPEG and to pixels."""
    draw_folders(folder / "drawn", random)
    files = sorted((folder / "drawn").rglob("*.*"))
    pack(command, folder / "drawn", folder / "jpeg", "--resize", 64, "--quality", 95, "--colour", "4:4:4")
    pack(command, folder / "drawn", folder / "raw", "--resize", 64, "--raw")
    pack(command, folder / "drawn", folder / "square", "--resize", 64, "--raw", "--square")
    pack(command, folder / "jpeg", folder / "decoded", "--resize", 0, "--raw")
    packs = [records(folder / name, messages) for name in ("jpeg", "raw", "square", "decoded")]
    check("a record each", all(len(pack_) == len(files) for pack_ in packs))
    for i, path in enumerate(files):
        (key, jpeg), (_, raw), (_, square), (_, decoded) = (pack_[i] for pack_ in packs)
        want = expected(path, 64)
        label = sorted(f.name for f in (folder / "drawn").iterdir()).index(path.parent.name)
        check(f"{path}: its key", key == f"{i:08d}_{path.parent.name}/{path.name}")
        for datum in (jpeg, raw, square):
            check(f"{path}: its label", datum.label == label and datum.channels == 3)
        check(f"{path}: its size", (jpeg.height, jpeg.width) == want.shape[:2])
        check(f"{path}: pixels", np.abs(pixels(raw) - want).max() <= 2)
        check(f"{path}: JPEG", np.abs(pixels(jpeg) - want).mean() < 3)
        check(f"{path}: decoded as PIL decodes it", np.abs(pixels(jpeg) - pixels(decoded)).max() <= 1)
        height, width = want.shape[:2]
        y, x = round((height - 64) / 2), round((width - 64) / 2)
        check(f"{path}: square", (pixels(square) == pixels(raw)[y:y + 64, x:x + 64]).all())
    check_statistics(messages, folder / "square", packs[2])


def check_statistics(messages, folder, found):
    """The mean image, means and covariance against numpy's."""
    pictures = np.stack([pixels(datum) for _, datum in found]).astype(float)
    description = json.loads((folder / "alexnet.json").read_text())
    check("channel means", np.allclose(description["mean"], pictures.mean((0, 1, 2)), rtol=0, atol=1e-9))
    covariance = np.cov(pictures.reshape(-1, 3).T, bias=True)
    check("covariance", np.allclose(description["covariance"], covariance, rtol=1e-9, atol=1e-6))
    blob = messages.BlobProto.FromString((folder / "mean.binaryproto").read_bytes())
    shape = (blob.num, blob.channels, blob.height, blob.width)
    check("the mean image's shape", shape == (1, 3, 64, 64))
    mean = np.array(blob.data).reshape(3, 64, 64)[::-1].transpose(1, 2, 0)
    check("the mean image", np.abs(mean - pictures.mean(0)).max() < 1e-4)
    labels = np.fromfile(folder / "alexnet.labels", "<i4")
    check("labels", labels.tolist() == [datum.label for _, datum in found])


def check_large_tree(command, messages, folder, random):
    """So many records that the tree has three levels; liblmdb then adds some of its own."""
    cifar, side = folder / "cifar", 8
    cifar.mkdir()
    for batch in range(1, 6):
        values = random.integers(0, 256, (3000, 3073), dtype=np.uint8)
        values[:, 0] %= 10
        (cifar / f"data_batch_{batch}.bin").write_bytes(values.tobytes())
    pack(command, cifar, folder / "large", "--resize", side, "--raw")
    found = records(folder / "large", messages)
    check("15,000 records", len(found) == 15000 and found[-1][1].ByteSize() > 192)
    with lmdb.open(str(folder / "large"), readonly=True, lock=False) as env:
        check("three levels", env.stat()["depth"] == 3)
        check("pages", env.stat()["overflow_pages"] == 0 and env.info()["last_txnid"] == 1)
        (folder / "copy").mkdir()
        env.copy(str(folder / "copy"), compact=True)
    check("a compacted copy", records(folder / "copy", messages) == found)
    with lmdb.open(str(folder / "large"), map_size=1 << 30, sync=False) as env:
        for i in range(300):
            with env.begin(write=True) as transaction:
                key = f"{random.integers(15000):08d}_more_{i}"
                transaction.put(key.encode(), found[i][1].SerializeToString() * (1 + 40 * (i % 2)))
    alexnet(command, "pack", folder / "large", folder / "changed", "--raw", code=1, part="was changed since")
    for name in ("alexnet.json", "alexnet.labels", "mean.binaryproto"):
        (folder / "large" / name).unlink()
    check("liblmdb's changes are read", pack(command, folder / "large", folder / "changed", "--resize", 0, "--raw",
                                             "--max-broken", 1)["images"] == 15300)


def write_caffe(messages, path, pictures, subdir, encode):
    """A database as convert_imageset writes it."""
    with lmdb.open(str(path), map_size=1 << 30, subdir=subdir, sync=False) as env:
        for i, picture in enumerate(pictures):
            datum = messages.Datum(label=i % 4, encoded=False)
            if encode:
                file = path.parent / f"x.{encode}"
                Image.fromarray(picture).save(file, **({"lossless": True} if encode == "webp" else {}))
                datum.data, datum.encoded = file.read_bytes(), True
            elif picture.ndim == 2:
                datum.channels, (datum.height, datum.width) = 1, picture.shape
                datum.data = picture.tobytes()
            else:
                datum.channels, (datum.height, datum.width) = 3, picture.shape[:2]
                datum.data = picture[:, :, ::-1].transpose(2, 0, 1).tobytes()
            with env.begin(write=True) as transaction:
                transaction.put(f"{i:08d}_{i}.jpg".encode(), datum.SerializeToString())


def check_caffe(command, messages, folder, random):
    """Caffe's raw, gray and encoded databases, as a folder and as a single file."""
    pictures = [draw(random, 20 + i, 30 + i % 7) for i in range(50)]
    tiny = [draw(random, 5, 6 + i % 3) for i in range(400)]  # values inside the leaves
    gray = [picture[:, :, 0] for picture in pictures]
    (folder / "caffe").mkdir()
    webp = [("webp", pictures, True, "webp")] if "libwebp)" in alexnet(command, "--version") else []
    for name, given, subdir, encode in [("raw", pictures, True, None), ("tiny", tiny, True, None),
                                        ("gray", gray, False, None), ("png", pictures, False, "png"),
                                        ("jpg", pictures, True, "jpg"), *webp]:
        write_caffe(messages, folder / "caffe" / name, given, subdir, encode)
        out = folder / "caffe" / f"{name}-out"
        check(f"{name}: all", pack(command, folder / "caffe" / name, out, "--resize", 0, "--raw")["images"] == len(given))
        for i, (_, datum) in enumerate(records(out, messages)):
            want = given[i] if given[i].ndim == 3 else np.repeat(given[i][:, :, None], 3, 2)
            limit = 40 if encode == "jpg" else 0
            check(f"{name} {i}: its label", datum.label == i % 4)
            check(f"{name} {i}: its pixels", np.abs(pixels(datum) - want.astype(int)).max() <= limit)
        check(f"{name}: names of classes", json.loads((out / "alexnet.json").read_text())["classes"] == list("0123"))


def main(command):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        messages = load_messages(folder)
        random = np.random.default_rng(1)
        check_folders(command, messages, folder, random)
        check_large_tree(command, messages, folder, random)
        check_caffe(command, messages, folder, random)
    print("liblmdb, protobuf, PIL and numpy agree")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
