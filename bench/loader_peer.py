"""torchvision's side of bench/loader, run by the peers' Python.

    loader_peer.py pack FROM TO        copies class folders of pictures, packed
    loader_peer.py measure '{"data": "/tmp/...", "crop": "resized", "packed": false, "workers": 2, "batch": 64}'

The latter prints {"images_per_second", "cpu_milliseconds": processor time a picture, of all processes}.
"""
import json
import os
import pathlib
import sys
import time

CROP, SHORT_SIDE, QUALITY = 227, 256, 90
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WARM_UP, SECONDS = 2.0, 6.0


def pack(source, target):
    from PIL import Image
    for path in source.rglob("*.jpg"):
        picture = Image.open(path).convert("RGB")
        width, height = picture.size
        long_side = SHORT_SIDE * max(width, height) // min(width, height)
        size = (SHORT_SIDE, long_side) if width <= height else (long_side, SHORT_SIDE)
        picture.resize(size, Image.BILINEAR).save(target / path.relative_to(source), quality=QUALITY)


def cpu_seconds():
    """Of this process and its children that live."""
    pids = [os.getpid()]
    for task in pathlib.Path("/proc/self/task").iterdir():
        pids += [int(pid) for pid in (task / "children").read_text().split()]
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(spec):
    import torch
    import torch.utils.data
    from torchvision import datasets, transforms
    torch.set_num_threads(1)  # of this process, which only takes batches; a worker has one anyway
    if spec["crop"] == "resized":
        crop = [transforms.RandomResizedCrop(CROP)]
    else:
        crop = [*([] if spec["packed"] else [transforms.Resize(SHORT_SIDE)]), transforms.RandomCrop(CROP)]
    data = datasets.ImageFolder(spec["data"], transforms.Compose([
        *crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]))
    sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=1 << 30)  # an epoch without an end
    loader = torch.utils.data.DataLoader(data, spec["batch"], sampler=sampler, num_workers=spec["workers"])
    images, begin, start = 0, None, time.perf_counter()
    for batch, _ in loader:
        now = time.perf_counter()
        if begin is None:
            if now - start >= WARM_UP:
                begin, cpu = now, cpu_seconds()
            continue
        images += len(batch)
        if now - begin >= SECONDS:
            return {"images_per_second": images / (now - begin),
                    "cpu_milliseconds": 1e3 * (cpu_seconds() - cpu) / images}
    raise SystemExit("the data set ended")


if __name__ == "__main__":
    if sys.argv[1] == "pack":
        pack(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        print(json.dumps(measure(json.loads(sys.argv[2]))), flush=True)
        os._exit(0)  # the workers have batches under way, whose end nobody waits for
