#!/usr/bin/env python3
"""From archives shaped as ILSVRC2012's to an evaluated network, by the command alone.

    imagenet_journey.py ALEXNET MAKE_ILSVRC

1,000 synsets of a few small pictures, odd and broken ones among them, are checked, packed, learned
from for two steps, and the network is evaluated with one and with ten views, from the archives and from
the database. Nothing is unpacked by hand.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import PIL  # noqa: F401 (make_ilsvrc.py draws with it)
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-pil)")
    sys.exit(77)

CLASSES, PICTURES, VALIDATION = 1000, 2, 300
SMALL = ["--input-size", "67", "--batch", "100"]


def check(truth, what):
    if not truth:
        raise SystemExit(f"imagenet_journey: {what}")


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{command[1]}: {done.stderr}")
    return done


def main():
    alexnet, make_ilsvrc = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        journey(alexnet, make_ilsvrc, pathlib.Path(folder))
    print("ok")


def journey(alexnet, make_ilsvrc, folder):
    def call(*arguments):
        return json.loads(run(alexnet, *arguments, "--json", "--progress", "none").stdout)

    archives, packed, report = folder / "ilsvrc", folder / "packed", folder / "report"
    run(sys.executable, make_ilsvrc, archives, "--classes", CLASSES, "--pictures", PICTURES, "--val",
        VALIDATION, "--side", 70)
    truth = json.loads((archives / "truth.json").read_text())
    broken = {name for name in truth["broken"]}

    seen = run(alexnet, "data", archives, "--progress", "none").stdout
    for name in broken:
        check(name in seen, f"data does not name {name}")

    # Both parts, with the broken pictures left out, and people's names for the classes.
    result = call("pack", archives, packed, "--resize", 80)
    wanted = len(truth["train"]) + len(truth["val"]) - len(broken)
    check(result["images"] == wanted, f"{result['images']} pictures packed, not {wanted}")
    about = json.loads((packed / "train" / "alexnet.json").read_text())
    check(truth["words"][0] in json.dumps(about, ensure_ascii=False), "the classes' names are missing")

    # From the archives and from the database.
    runs = {}
    for data in (archives, packed):
        runs[data] = folder / f"run-{data.name}"
        trained = call("train", data, "--recipe", "paper", *SMALL, "--epochs", 1, "--limit", 200,
                       "--val-limit", 100, "--out", runs[data])
        check(trained["steps"] == 2 and trained["train_loss"] > 0, f"{data.name}: {trained}")
        weights = runs[data] / "best.safetensors"
        single = call("eval", data, "--weights", weights)
        check(single["images"] + single["broken"] >= VALIDATION - 1, f"{data.name}: {single}")
        ten = call("eval", data, "--weights", weights, "--views", 10, "--report", report)
        check(ten["images"] == single["images"], f"{data.name}: ten views of {ten['images']} pictures")
        check(ten["loss"] != single["loss"], f"{data.name}: ten views are one")
        check(len(ten["classes"]) == CLASSES, f"{data.name}: {len(ten['classes'])} classes")
        answers = call("classify", "--weights", weights, report / "confusion.png")
        check(answers[0]["top"][0]["label"] in truth["words"], f"{answers[0]['top'][0]} is no name")


if __name__ == "__main__":
    main()
