"""What bench/gpu needs of a machine: the card, the tools, the libraries, and commands that end in time."""
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from common import Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Debian 12's packages of what the build cannot do without, of cmocka for the tests, and of pkg-config.
PACKAGES = ["libjpeg62-turbo", "libjpeg62-turbo-dev", "libpng16-16", "libpng-dev", "zlib1g", "zlib1g-dev",
            "libjansson4", "libjansson-dev", "libcmocka0", "libcmocka-dev", "pkgconf-bin", "libpkgconf3"]

PKG_CONFIG = """#!/bin/sh
# pkg-config for the packages unpacked here, written by bench/gpu --prepare.
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu*) exec "$here/usr/bin/pkgconf" "$@"
"""


# ---- commands

running = set()  # what would outlive an interrupt: each has a session of its own


def start(command, **how):
    process = subprocess.Popen([str(word) for word in command], start_new_session=True, **how)
    running.add(process)
    return process


def end(process):
    """Ends a command with all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    running.discard(process)


def end_all():
    for process in list(running):
        end(process)


def run(command, seconds, environment=None, log=None):
    """(exit code, standard output, standard error) of a command; Failed where it takes longer. Both texts go into
    the file `log`, too."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                    errors="replace", env=environment, cwd=ROOT)
    late = False
    try:
        out, err = process.communicate(timeout=max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        late = True
        end(process)
        out, err = process.communicate()
    except BaseException:
        end(process)
        raise
    running.discard(process)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{' '.join(map(str, command))}\n{out}{err}")
    if late:
        raise Failed(f"took longer than {seconds:.0f} s")
    return process.returncode, out, err


def last_of(out, err, code):
    """The line that says most about a failure: the last error, or the last line."""
    lines = [line.strip() for line in (out + err).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "FAILED" in line]
    return (errors or lines or [f"exit code {code}"])[-1][:300]


def tool(name, *patterns):
    """A program: from the PATH, or the newest where one of the patterns finds it; None if nowhere."""
    found = shutil.which(name)
    for pattern in patterns:
        found = found or next(iter(sorted(glob.glob(pattern), reverse=True)), None)
    return found


# ---- the card

CARD = {"name": str, "driver_version": str, "compute_cap": str, "memory.total": int, "clocks.max.sm": int,
        "clocks.max.mem": int, "power.limit": float}
LOAD = {"clocks.sm": int, "clocks.mem": int, "power.draw": float, "temperature.gpu": int}


def parse_query(line, fields):
    """A line of nvidia-smi's CSV; what the card does not tell is None."""
    values = {}
    for (name, kind), text in zip(fields.items(), line.split(",")):
        try:
            values[name] = kind(text.strip())
        except ValueError:  # [N/A]
            values[name] = None
    return values


def query(fields):
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] or "0"
    return ["-i", number, "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"]


def card():
    """What nvidia-smi says of the first GPU."""
    smi = tool("nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi")
    if not smi:
        raise Failed("there is no NVIDIA GPU here that could be measured (nvidia-smi, which comes with the driver, "
                     "is not installed)")
    code, out, err = run([smi, *query(CARD)], 60)
    if code or not out.strip():
        why = " ".join((out + err).split()) or f"exit code {code}"
        raise Failed(f"there is no NVIDIA GPU here that could be measured (nvidia-smi says: {why[:200]})")
    return {"smi": smi, **parse_query(out.splitlines()[0], CARD)}


def architecture(compute_capability):
    """CMake's name for exactly this card: "9.0" is 90a, whose instructions no other card has."""
    number = compute_capability.replace(".", "")
    return f"{number}a-real" if number == "90" else f"{number}-real"


class Load:
    """Looks at clocks and power each second while something is measured."""

    def __init__(self, smi):
        self.file = tempfile.TemporaryFile("w+")
        self.process = start([smi, *query(LOAD), "-l", "1"], stdout=self.file, stderr=subprocess.DEVNULL)

    def most(self):
        """Ends it; the highest of each."""
        end(self.process)
        self.file.seek(0)
        rows = [parse_query(line, LOAD) for line in self.file.read().splitlines() if line.count(",") == len(LOAD) - 1]
        return {name: max((row[name] for row in rows if row[name] is not None), default=None) for name in LOAD}


# ---- libraries

def prepare(folder):
    """Fetches and unpacks what a GPU machine may lack, on a machine with apt."""
    for name in ("apt-get", "dpkg"):
        if not shutil.which(name):
            raise Failed(f"{name} is not here; --prepare needs a Debian machine")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as archives:
        done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES], cwd=archives,
                              capture_output=True, text=True)
        if done.returncode:
            raise Failed("apt-get cannot download Debian 12's packages (apt-get update may help): "
                         + last_of(done.stdout, done.stderr, done.returncode))
        for archive in sorted(pathlib.Path(archives).glob("*.deb")):
            subprocess.run(["dpkg", "-x", archive, folder], check=True)
    for path in list(folder.rglob("*")):
        if path.is_symlink() and os.readlink(path).startswith("/"):  # it meant that machine's file, not this one
            target = os.path.relpath(folder / os.readlink(path).lstrip("/"), path.parent)
            path.unlink()
            path.symlink_to(target)
        elif path.suffix == ".a":
            path.unlink()
    wrapper = folder / "pkg-config"
    wrapper.write_text(PKG_CONFIG)
    wrapper.chmod(0o755)
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def library_folders(packages):
    return [str(path) for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
            for path in sorted(packages.glob(pattern)) if path.is_dir()]


def joined(environment, name, values):
    """A search path with something in front."""
    environment[name] = os.pathsep.join([*map(str, values), *filter(None, [environment.get(name)])])


def python_cudnn(python, folder):
    """cuDNN as PyTorch's own package has it, linked into `folder` under the names that linkers look for; None where
    there is none."""
    script = ("import importlib.util as u, json; s = u.find_spec('nvidia.cudnn'); "
              "print(json.dumps(list(s.submodule_search_locations) if s else []))")
    try:
        code, out, _ = run([python, "-c", script], 60)
    except (Failed, OSError):
        return None
    places = [pathlib.Path(place) for place in json.loads(out)] if code == 0 else []
    if not places or not (places[0] / "include" / "cudnn_version.h").exists():
        return None
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lib").mkdir(parents=True)
    (folder / "include").symlink_to(places[0] / "include")
    for library in (places[0] / "lib").glob("libcudnn*.so*"):
        (folder / "lib" / library.name).symlink_to(library)
        plain = folder / "lib" / (library.name.split(".so")[0] + ".so")
        if not plain.exists():
            plain.symlink_to(library)
    return folder


class Libraries:
    """Where compilers and programs find what they need: `build` is the environment to build in, `run` the one to
    run alexnet in (and nothing else: an old zlib is not for others), `options` are CMake's."""

    def __init__(self, packages, python, folder):
        self.build, self.run, self.options, prefixes = dict(os.environ), dict(os.environ), [], []
        nvcc = tool("nvcc", "/usr/local/cuda/bin/nvcc", "/usr/local/cuda-*/bin/nvcc", "/opt/cuda/bin/nvcc")
        toolkit = pathlib.Path(nvcc).resolve().parent.parent if nvcc else None
        if nvcc:
            self.build.setdefault("CUDACXX", nvcc)
            joined(self.run, "LD_LIBRARY_PATH", [toolkit / "lib64"])
        if not any(os.path.exists(f"{place}/cudnn_version.h") for place in
                   (toolkit and toolkit / "include", "/usr/include", *glob.glob("/usr/include/*-linux-gnu"))):
            cudnn = python and python_cudnn(python, folder / "cudnn")
            if cudnn:
                prefixes.append(cudnn)
                joined(self.run, "LD_LIBRARY_PATH", [cudnn / "lib"])
        if packages:
            self.unpacked(packages)
            prefixes.append(packages / "usr")
        if prefixes:
            self.options.append("-DCMAKE_PREFIX_PATH=" + ";".join(map(str, prefixes)))

    def unpacked(self, packages):
        folders = library_folders(packages)
        includes = [packages / "usr/include", *packages.glob("usr/include/*-linux-gnu*")]
        self.build["PKG_CONFIG"] = str(packages / "pkg-config")
        # Of no others: the system root goes in front of each path that a .pc file names.
        self.build["PKG_CONFIG_LIBDIR"] = os.pathsep.join(f"{place}/pkgconfig" for place in folders)
        self.build["PKG_CONFIG_SYSROOT_DIR"] = str(packages)
        self.build.pop("PKG_CONFIG_PATH", None)
        joined(self.build, "C_INCLUDE_PATH", includes)  # libjpeg's headers lie in two folders
        joined(self.build, "LIBRARY_PATH", folders)
        joined(self.run, "LD_LIBRARY_PATH", folders)
        self.options.append("-DCMAKE_LIBRARY_PATH=" + ";".join(folders))
