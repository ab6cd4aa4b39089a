#!/usr/bin/env python3
"""Writes archives shaped as ILSVRC2012 is distributed, of small drawn pictures.

    make_ilsvrc.py FOLDER [--classes N] [--pictures N] [--val N] [--side N] [--seed N]

FOLDER then holds ILSVRC2012_img_train.tar (a tar of a tar for each class), ILSVRC2012_img_val.tar and
ILSVRC2012_devkit_t12.tar.gz, and truth.json, which says what is in them: {"wnids", "words" (in the
order of the WNIDs), "train": [[name, class], ...], "val": [...], "broken": [names]}. IDs of classes are
not in the order of their WNIDs. As in the real archives some pictures are odd: a PNG named .JPEG, a
CMYK and a grayscale JPEG; and, as in those that were copied badly, one is cut off, one is no picture,
and there are files that nobody asked for.
"""
import argparse
import gzip
import io
import json
import pathlib
import random
import struct
import tarfile
import zlib

from PIL import Image, ImageDraw


# --- pictures ------------------------------------------------------------------------------------

def drawing(number, count, side, chance):
    """A picture whose colours and disc tell its class."""
    width, height = side + chance.randrange(side // 2 + 1), side + chance.randrange(side // 2 + 1)
    hue = number * 255 // count
    ground = Image.new("HSV", (1, 1), (hue, 90 + number % 7 * 20, 200)).convert("RGB").getpixel((0, 0))
    figure = Image.new("HSV", (1, 1), ((hue + 128) % 256, 255, 90)).convert("RGB").getpixel((0, 0))
    picture = Image.new("RGB", (width, height), ground)
    x, y, radius = chance.randrange(width), chance.randrange(height), side // (2 + number % 5)
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=figure)
    return picture


def encoded(picture, kind="JPEG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **({"quality": 90} if kind == "JPEG" else {}), **options)
    return out.getvalue()


def odd(number, picture):
    """What stands for the first picture of some classes, and whether it can be decoded."""
    if number == 1:
        return encoded(picture, "PNG"), True
    if number == 2:
        return encoded(picture.convert("CMYK")), True
    if number == 3:
        return encoded(picture.convert("L")), True
    if number == 4:
        whole = encoded(picture)
        return whole[:60], False
    if number == 5:
        return b"<html>404 not found</html>", False
    return encoded(picture), True


# --- tar -----------------------------------------------------------------------------------------

def add(archive, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = 1339000000
    archive.addfile(info, io.BytesIO(content))


def packed(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files:
            add(archive, name, content)
    return out.getvalue()


# --- meta.mat, as MATLAB writes it ---------------------------------------------------------------

INT8, UINT8, UINT16, INT32, UINT32, DOUBLE, MATRIX, COMPRESSED = 1, 2, 4, 5, 6, 9, 14, 15
STRUCT, CHAR, DOUBLES = 2, 4, 6


def element(kind, content):
    """Small ones share eight bytes with their tag, others are filled up to eight."""
    if 0 < len(content) <= 4:
        return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(class_, dims, name, *content):
    return element(MATRIX, element(UINT32, struct.pack("<II", class_, 0)) +
                   element(INT32, struct.pack(f"<{len(dims)}i", *dims)) + element(INT8, name.encode()) +
                   b"".join(content))


def number(value):
    """A double, stored in as few bytes as hold it."""
    if value != int(value):
        stored = element(DOUBLE, struct.pack("<d", value))
    elif value < 256:
        stored = element(UINT8, struct.pack("<B", int(value)))
    else:
        stored = element(UINT16, struct.pack("<H", int(value)))
    return matrix(DOUBLES, (1, 1), "", stored)


def text(value):
    units = value.encode("utf-16-le")
    return matrix(CHAR, (1, len(units) // 2), "", element(UINT16, units))


def row(values):
    return matrix(DOUBLES, (1, len(values)), "", element(DOUBLE, struct.pack(f"<{len(values)}d", *values)))


def meta_mat(synsets):
    fields = list(synsets[0])
    longest = 32
    names = b"".join(field.encode().ljust(longest, b"\0") for field in fields)
    whole = matrix(STRUCT, (len(synsets), 1), "synsets", element(INT32, struct.pack("<i", longest)),
                   element(INT8, names),
                   *(synset[field] for synset in synsets for field in fields))
    header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM"
    body = zlib.compress(whole)
    return header + struct.pack("<II", COMPRESSED, len(body)) + body


def synset(identity, wnid, words, children, pictures):
    return {"ILSVRC2012_ID": number(identity), "WNID": text(wnid), "words": text(words),
            "gloss": text(f"what {words} means"), "num_children": number(len(children)),
            "children": row(children), "wordnet_height": number(1 if children else 0),
            "num_train_images": number(pictures)}


# --- the archives --------------------------------------------------------------------------------

def write(folder, classes, pictures, val, side, seed):
    """Returns what truth.json holds."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    wnids = [f"n{1440764 + 1013 * i:08d}" for i in range(classes)]
    words = [f"thing {i}, Res {i}" if i % 10 else f"crêpe {i}, блин" for i in range(classes)]
    broken, train = [], []
    order = list(range(classes))
    chance.shuffle(order)  # the archives are in no order
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        add(archive, "README", b"of the archive")
        for label in order:
            files = [("notes.txt", b"of a class")] if label == 6 else []
            numbers = chance.sample(range(1, 20000), pictures)
            for place, picture in enumerate(numbers):
                name = f"{wnids[label]}_{picture}.JPEG"
                content, good = odd(label if place == 0 else -1, drawing(label, classes, side, chance))
                files.append((name, content))
                train.append((name, label))
                if not good:
                    broken.append(name)
            add(archive, f"{wnids[label]}.tar", packed(files))
    train.sort(key=lambda picture: (picture[1], picture[0].encode()))
    identities = list(range(1, classes + 1))
    chance.shuffle(identities)  # of the classes in the order of their WNIDs
    held_out = [[f"ILSVRC2012_val_{i + 1:08d}.JPEG", chance.randrange(classes)] for i in range(val)]
    files = [(name, encoded(drawing(label, classes, side, chance))) for name, label in held_out]
    chance.shuffle(files)
    (folder / "ILSVRC2012_img_val.tar").write_bytes(packed(files))
    by_identity = sorted(zip(identities, wnids, words))
    synsets = [synset(i, wnid, name, [], pictures) for i, wnid, name in by_identity]
    synsets += [synset(classes + 1 + i, f"n9{i:07d}", f"group {i}", [1, 2 + i], 0) for i in range(5)]
    lines = "".join(f"{identities[label]}\n" for _, label in held_out)
    kit = "ILSVRC2012_devkit_t12/"
    devkit = packed([(kit + "readme.txt", b"the development kit"), (kit + "data/meta.mat", meta_mat(synsets)),
                     (kit + "data/ILSVRC2012_validation_ground_truth.txt", lines.encode())])
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(gzip.compress(devkit, mtime=0))
    truth = {"wnids": wnids, "words": words, "train": train, "val": held_out, "broken": broken}
    (folder / "truth.json").write_text(json.dumps(truth))
    return truth


def main():
    parser = argparse.ArgumentParser(description="Writes archives shaped as ILSVRC2012 is distributed.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=3, help="to learn from, of each class")
    parser.add_argument("--val", type=int, default=1000, help="validation pictures in all")
    parser.add_argument("--side", type=int, default=48, help="the least height and width")
    parser.add_argument("--seed", type=int, default=1)
    write(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
