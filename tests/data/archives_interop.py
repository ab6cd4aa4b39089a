#!/usr/bin/env python3
"""Data sets in archives: what is read is what Python put in.

    archives_interop.py TOOL_DATASET

ILSVRC2012 as make_ilsvrc.py writes it, 1,000 classes with odd files, beside the same pictures unpacked
into folders; and WebDataset shards, written as the package webdataset writes them: by tarfile in the
pax format, whose every header a record of a fractional time precedes.
"""
import io
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

try:
    import make_ilsvrc
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-pil)")
    sys.exit(77)


def check(truth, what):
    if not truth:
        raise SystemExit(f"archives_interop: {what}")


class Data:
    """What the tool says of a data set."""

    def __init__(self, tool, split, name):
        done = subprocess.run([tool, split, name], capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stderr)
        lines = done.stdout.splitlines()
        self.kind = lines[0].removeprefix("kind ")
        self.classes = [line.split(" ", 3)[2:] for line in lines if line.startswith("class ")]
        self.pictures, self.broken = [], []
        for line in lines[1 + len(self.classes):]:
            picture, _, why = line.partition(" ! ")
            label, path = picture.split(" ", 1)
            self.pictures.append([path.rsplit("/", 1)[1], int(label)])
            if why:
                self.broken.append(self.pictures[-1][0])


def refused(tool, split, name, why):
    done = subprocess.run([tool, split, name], capture_output=True, text=True, check=False)
    check(done.returncode == 1 and why in done.stderr, f"{name}: not refused for {why!r}: {done.stderr}")


# --- ILSVRC --------------------------------------------------------------------------------------

def unpack(folder):
    """What people do with the archive: a folder for each class."""
    unpacked = folder / "unpacked"
    with tarfile.open(folder / "ILSVRC2012_img_train.tar") as outer:
        for member in outer:
            if member.name.endswith(".tar"):
                with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                    inner.extractall(unpacked / pathlib.Path(member.name).stem)
    return unpacked


def test_ilsvrc_unpacked(tool, folder, truth, classes):
    """Both archives unpacked, the validation pictures side by side, the kit a folder above."""
    flat = folder / "flat"
    shutil.copytree(folder / "unpacked", flat / "train")
    with tarfile.open(folder / "ILSVRC2012_img_val.tar") as archive:
        archive.extractall(flat / "val")
    for split, name in ("held-out", flat), ("train", flat / "val"):
        data = Data(tool, split, name)
        check(data.classes == classes and data.pictures == truth["val"], f"{name}: unpacked validation")
    data = Data(tool, "train", flat)
    check(data.classes == classes and data.pictures == [list(picture) for picture in truth["train"]],
          "unpacked with the kit's names")
    shutil.rmtree(flat / "train" / truth["wnids"][3])
    refused(tool, "train", flat, "its 999 class folders are not the 1000 classes of the development kit")
    (flat / "val" / "ILSVRC2012_val_00099999.JPEG").write_bytes(b"")
    refused(tool, "held-out", flat, "is none of the 500 pictures that the development kit has classes for")
    alone = folder.parent / "alone"
    flat.rename(alone)
    refused(tool, "held-out", alone, "is told by the development kit, ILSVRC2012_devkit...")
    check(Data(tool, "train", alone).kind == "folder", "unpacked without a kit")


def test_ilsvrc(tool, folder):
    truth = make_ilsvrc.write(folder, 1000, 2, 500, 32, 7)
    kit = folder / "ILSVRC2012_devkit_t12.tar.gz"
    classes = [list(pair) for pair in zip(truth["wnids"], truth["words"])]
    for name in folder, folder / "ILSVRC2012_img_train.tar":
        data = Data(tool, "train", name)
        check(data.kind == "ilsvrc" and data.classes == classes, f"{name}: classes")
        check(data.pictures == [list(picture) for picture in truth["train"]], f"{name}: pictures")
        check(sorted(data.broken) == sorted(truth["broken"]), f"{name}: broken {data.broken}")
    for split, name in ("held-out", folder), ("train", folder / "ILSVRC2012_img_val.tar"):
        data = Data(tool, split, name)
        check(data.classes == classes, f"{name}: classes of validation")
        check(data.pictures == truth["val"], f"{name}: labels of validation")
        check(not data.broken, f"{name}: broken {data.broken}")

    unpacked = Data(tool, "train", unpack(folder))
    test_ilsvrc_unpacked(tool, folder, truth, classes)
    check(unpacked.kind == "folder" and [name for _, name in unpacked.classes] == truth["wnids"] and
          unpacked.pictures == [list(picture) for picture in truth["train"]],
          "an archive and its folders differ")

    with tarfile.open(kit) as archive:
        archive.extractall(folder)
    kit.rename(folder / "elsewhere")
    check(Data(tool, "held-out", folder).pictures == truth["val"], "a kit that was unpacked")
    (folder / "ILSVRC2012_devkit_t12").rename(folder / "away")
    data = Data(tool, "train", folder)
    check(data.classes == [["-", wnid] for wnid in truth["wnids"]], "classes without a kit")
    check(data.pictures == [list(picture) for picture in truth["train"]], "pictures without a kit")
    refused(tool, "held-out", folder, "is told by the development kit, ILSVRC2012_devkit...")


# --- WebDataset ----------------------------------------------------------------------------------

def shard(path, samples, **options):
    chance = random.Random(3)
    with tarfile.open(path, "w", **options) as archive:
        for key, files in samples:
            for what, content in files.items():
                info = tarfile.TarInfo(f"{key}.{what}")
                info.size, info.mode, info.mtime = len(content), 0o444, 1.7e9 + chance.random()
                info.uname, info.gname = "bigdata", "bigdata"
                archive.addfile(info, io.BytesIO(content))


def test_webdataset(tool, folder):
    chance = random.Random(5)
    folder.mkdir()
    expected = {"train": [], "val": []}
    for part, shards in ("train", 12), ("val", 2):
        for number in range(shards):
            samples = []
            for i in range(5):
                label = chance.randrange(10) if (number, i) != (1, 0) else 9
                key = f"{part}/{'long' * 40 if i == 4 else ''}{number:04d}{i}"
                picture = make_ilsvrc.drawing(label, 10, 16, chance)
                kind = ("jpg", "JPEG", "png", "ppm", "jpg")[i]
                files = {kind: make_ilsvrc.encoded(picture, {"png": "PNG", "ppm": "PPM"}.get(kind, "JPEG")),
                         "cls": str(label).encode(), "seg.png": b"not looked at", "txt": b"a caption"}
                if i == 1:
                    del files["cls"]
                    files["json"] = json.dumps({"label": label, "caption": "\N{SNOWMAN}"}).encode()
                if i == 2:  # where both are, cls counts
                    files["json"] = json.dumps({"cls": 3}).encode()
                samples.append((key, files))
                expected[part].append([f"{key.split('/')[1]}.{kind}", label])
            shard(folder / f"{part}-{number:06d}.tar", samples,
                  **({"format": tarfile.GNU_FORMAT} if number == 1 else {}))
    name = folder / "train-{000000..000011}.tar"
    data = Data(tool, "train", name)
    check(data.kind == "webdataset" and data.pictures == expected["train"], "shards")
    check(not data.broken, f"{data.broken}")
    check(data.classes == [["-", str(i)] for i in range(10)], "numbered classes")
    check(Data(tool, "held-out", name).pictures == expected["val"], "shards held out")
    check(Data(tool, "train", folder / "train-00000{2..3}.tar").pictures == expected["train"][10:20],
          "some shards")
    check(Data(tool, "train", folder / "train-0000{0..1}{0..1}.tar").pictures ==
          expected["train"][:10] + expected["train"][50:60], "two ranges")
    check(Data(tool, "train", folder / "train-000001.tar").pictures == expected["train"][5:10], "a shard")
    (folder / "classes.txt").write_text("".join(f"class {i}\n" for i in range(12)))
    check(Data(tool, "train", name).classes == [["-", f"class {i}"] for i in range(12)], "named classes")
    (folder / "classes.txt").write_text("".join(f"class {i}\n" for i in range(9)))
    refused(tool, "train", name, "is of class 9, of 9")


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        test_ilsvrc(tool, pathlib.Path(folder) / "ilsvrc")
        test_webdataset(tool, pathlib.Path(folder) / "shards")


if __name__ == "__main__":
    main()
