#!/usr/bin/env python3
"""The networks that are measured in PyTorch have as many parameters as alexnet's. Argument: the command."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import networks  # noqa: E402

try:
    import torch  # noqa: F401
except ImportError:
    print("PyTorch is missing")
    sys.exit(77)

for name in networks.NETWORKS:
    summary = subprocess.run([sys.argv[1], "summary", "--arch", name, "--json"], capture_output=True, text=True,
                             check=True)
    wanted = json.loads(summary.stdout)["parameters"]
    found = sum(parameter.numel() for parameter in networks.torch_module(name).parameters())
    assert found == wanted, f"{name}: {found} parameters in PyTorch, {wanted} here"
    print(f"{name}: {found} parameters")
