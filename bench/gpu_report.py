"""The tables of bench/gpu, in Markdown, from what it has found out."""
import math

from common import table

CAPTION = """\
Batch 1 in milliseconds, larger ones in images/s, medians. alexnet: `alexnet bench`, whose pictures come from the
host's memory, in training as bytes that the card normalises, copied beside the step before, in inference as float32,
and whose results go back there in every step. PyTorch: from CUDA event to CUDA event, with
the pictures resident on the card and nothing read back; "fed": its best with the pictures copied from pinned memory in
each step. Training is forward, cross-entropy, backward and SGD with momentum and weight decay. fp32: without TF32.
bf16 and fp16 are put beside the fastest of PyTorch's 16-bit numbers, weights kept in 16 bits among them."""


def figure(seconds, batch):
    if not seconds:
        return "-"
    value = 1e3 * seconds if batch == 1 else batch / seconds
    return f"{value:.{3 if value < 10 else 1 if value < 1000 else 0}f}"


def dress(result):
    return f"{result['numbers']}, {result['layout']}, {result['run']}"


def fastest(results, key="seconds"):
    return min(results, key=lambda result: result[key], default=None)


def speed_row(line):
    batch, peers = line["batch"], line["peers"]
    ours = line["ours"]["seconds"] if line["ours"] else None
    best, fed = fastest(peers), fastest(peers, "fed")

    def ratio(result, key):
        return f"{result[key] / ours:.2f}" if ours and result else "-"

    def of(*runs):
        found = fastest([result for result in peers if result["run"] in runs])
        return figure(found and found["seconds"], batch)
    step = "inference" if line["mode"] == "infer" else "training"
    return [line["network"], f"{step}, batch {batch}, {line['precision']}", figure(ours, batch),
            of("eager"), of("CUDA graph"), of("compiled", "compiled, CUDA graph", "compiled with CUDA graphs"),
            dress(best) if best else "-", ratio(best, "seconds"), figure(fed and fed["fed"], batch), ratio(fed, "fed")]


def speed(result):
    lines = [line for line in result["lines"] if line["ours"] or line["peers"]]
    if not lines:
        return []
    return [CAPTION, table(["network", "step", "alexnet", "PyTorch, eager", "CUDA graph", "compiled", "its fastest",
                            "times its speed", "fed", "times its speed"], [speed_row(line) for line in lines])]


def deterministic(result):
    """What the same bits in every run cost."""
    def cost(line):
        percent = 100 * (line["deterministic"]["seconds"] / line["ours"]["seconds"] - 1)
        return f"{abs(percent):.1f} % {'slower' if percent >= 0 else 'faster'}"
    return notes("`alexnet bench --deterministic` beside those", [
        f"{line['network']} training, batch {line['batch']}, {line['precision']}: deterministic: {cost(line)}"
        for line in result["lines"] if line.get("deterministic")])


def checks(result):
    """How far this backend is from the reference."""
    def error(row):
        return math.inf if row["error"] is None else row["error"]  # JSON has no NaN
    rows = []
    for check in result["checks"]:
        found = check["rows"]
        worst = max(found, key=lambda row: error(row) / row["tolerance"], default=None)
        rows.append([check["network"], check["precision"], str(len(found)),
                     str(sum(not row["passed"] for row in found)), str(sum(row["vacuous"] for row in found)),
                     f"{error(worst):.2g} of {worst['tolerance']:.2g} ({worst['what']} {worst['name']})"
                     if worst else "-"])
    return [table(["network", "numbers", "comparisons with the reference", "wrong", "all zero",
                   "largest error, and what is sound"], rows)] if rows else []


def tools(result):
    rows = [[run["what"], run["outcome"], f"{run['seconds']:.0f}"] for run in result["tools"]]
    return [table(["tests and compute-sanitizer", "outcome", "seconds"], rows)] if rows else []


def kernels(result):
    def percent(number):
        return "-" if number is None else f"{number:.0f} %"
    rows = [[row["name"], str(row["calls"]), percent(100 * row["share"]), percent(row["compute"]),
             percent(row["memory"]), percent(row["dram"])] for row in result["kernels"]]
    return [f"The heaviest kernels of `{result['profiled']}`, each alone under Nsight Compute\n",
            table(["kernel", "launches", "of the time", "of the peak: arithmetic", "memory paths", "DRAM"],
                  rows)] if rows else []


def machine(result):
    card, load, versions = result["card"], result["load"], result["versions"]

    def of(values, name, unit):
        value = values.get(name)
        return f"{value:.0f} {unit}" if value is not None else f"? {unit}"
    parts = [f"{card['name']}, compute capability {card['compute_cap']}, {of(card, 'memory.total', 'MiB')}, "
             f"driver {card['driver_version']}",
             f"clocks at most {of(card, 'clocks.max.sm', 'MHz')} (memory {of(card, 'clocks.max.mem', 'MHz')}), "
             f"{of(card, 'power.limit', 'W')}"]
    if load:
        parts.append(f"seen while measuring, at most: {of(load, 'clocks.sm', 'MHz')} (memory "
                     f"{of(load, 'clocks.mem', 'MHz')}), {of(load, 'power.draw', 'W')}, "
                     f"{of(load, 'temperature.gpu', 'C')}")
    parts.append(", ".join(f"{name} {version}" for name, version in versions.items()))
    return ["; ".join(parts) + f"; {result['date']}"]


def notes(title, entries):
    return [title + "\n", "".join(f"- {entry}\n" for entry in entries)] if entries else []


def markdown(result):
    steps = [table(["step", "seconds", "outcome"], [[step["step"], f"{step['seconds']:.0f}", step["outcome"]]
                                                    for step in result["steps"]])] if result["steps"] else []
    parts = (machine(result) + steps + tools(result) + checks(result) + kernels(result) + speed(result)
             + deterministic(result) + notes("Failed", result["failures"]) + notes("Left out", result["skips"]))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def merged(results):
    """Several runs as one: for --show with more than one file. Of a line measured twice the later counts."""
    first = dict(results[0])
    lines = {(line["network"], line["mode"], line["batch"], line["precision"]): line
             for result in results for line in result["lines"]}
    for key in ("steps", "checks", "tools", "kernels", "failures", "skips"):
        first[key] = [entry for result in results for entry in result[key]]
    for key in ("load", "versions", "profiled"):
        for result in results:
            first[key] = result[key] or first[key]
    first["lines"] = list(lines.values())
    return first
