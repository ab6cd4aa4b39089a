"""What bench/compare, bench/loader and bench/gpu share: the peers' virtual environment, running, tables."""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
LONGEST = 900  # seconds that one measurement may take; compiling takes a minute


def installed(python):
    """Whether that Python has everything in requirements.txt, in those versions."""
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text().split() if "==" in line)
    check = ("import importlib.metadata as m, json, sys\n"
             "for name, version in json.loads(sys.argv[1]).items():\n"
             "    assert m.version(name).split('+')[0] == version\n")
    return python.exists() and subprocess.run([python, "-c", check, json.dumps(pins)],
                                              stderr=subprocess.DEVNULL).returncode == 0


def set_up(folder):
    """Makes the virtual environment where it is not there; returns its Python."""
    python = folder / "bin" / "python"
    if not installed(python):
        print(f"installing the peers in {folder} (about 6 GB)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS],
                       check=True)
    return python


class Failed(Exception):
    pass


def last_line(command, environment=None):
    """Runs a command and reads its last line as JSON."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {LONGEST} s") from None
    if done.returncode:
        raise Failed((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1])
    return done.stdout


def table(head, lines):
    """A table that reads well as it is, and as Markdown."""
    widths = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]
    return "".join("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |\n"
                   for line in [head, ["-" * width for width in widths]] + lines)


def print_table(head, lines):
    print(table(head, lines))


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine
