#!/usr/bin/env python3
"""Draws the figures of docs/alexnet.md as SVG files beside this script. Needs only Python's own library.

Labels are numbers and the names of layers in the code, so that one drawing serves every language; each figure has a
background of its own, so that it reads on a light page and on a dark one.
"""
import math
import pathlib

HERE = pathlib.Path(__file__).parent
INK, FAINT, PAPER = "#24292f", "#8a929b", "#fbfaf6"
CONV, POOL, NORM, FC, WARM = "#4a7ebb", "#d98b3a", "#5a9e6f", "#8467ad", "#c8504b"


def rect(x, y, w, h, fill, stroke="none", opacity=1, extra=""):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" stroke="{stroke}" '
            f'fill-opacity="{opacity}" {extra}/>')


def line(x1, y1, x2, y2, stroke=INK, width=1.2, extra=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width}" {extra}/>')


def arrow(x1, y1, x2, y2, stroke=INK, width=1.4):
    return line(x1, y1, x2, y2, stroke, width, 'marker-end="url(#tip)"')


def text(x, y, words, size=14, anchor="middle", fill=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
            f'font-weight="{weight}">{words}</text>')


def box(x, y, w, h, slant, fill):
    """A block of maps seen from the side: front w x h, depth drawn up and to the right."""
    top = f"{x},{y} {x + slant},{y - slant} {x + w + slant},{y - slant} {x + w},{y}"
    side = f"{x + w},{y} {x + w + slant},{y - slant} {x + w + slant},{y + h - slant} {x + w},{y + h}"
    return (rect(x, y, w, h, fill, PAPER) + f'<polygon points="{top}" fill="{fill}" fill-opacity=".65" stroke="{PAPER}"/>'
            + f'<polygon points="{side}" fill="{fill}" fill-opacity=".45" stroke="{PAPER}"/>')


def save(name, width, height, title, parts):
    body = "\n".join(parts)
    (HERE / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" role="img">\n<title>{title}</title>\n'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 8 4 0 8Z" fill="{INK}"/></marker></defs>\n'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10" fill="{PAPER}" stroke="#d8d4c8"/>\n'
        f"{body}\n</svg>\n")


def network():
    """The whole network: side of a block: pixels; width: maps."""
    blocks = [("input", 227, 3, FAINT, ""), ("conv1", 55, 96, CONV, "11x11 / 4"), ("pool1", 27, 96, POOL, "3x3 / 2"),
              ("conv2", 27, 256, CONV, "5x5, pad 2"), ("pool2", 13, 256, POOL, "3x3 / 2"), ("conv3", 13, 384, CONV, "3x3, pad 1"),
              ("conv4", 13, 384, CONV, "3x3, pad 1"), ("conv5", 13, 256, CONV, "3x3, pad 1"), ("pool5", 6, 256, POOL, "3x3 / 2")]
    parts, x, middle = [], 36, 158
    for name, side, maps, fill, how in blocks:
        height, width = 24 + 8 * math.sqrt(side), 6 + maps * 0.085
        slant = height * 0.26
        parts.append(box(x, middle - height / 2 + slant / 2, width, height, slant, fill))
        centre = x + (width + slant) / 2
        parts.append(text(centre, 278, name, 15, weight="bold"))
        parts.append(text(centre, 298, f"{side}x{side}", 13))
        parts.append(text(centre, 316, f"x {maps}", 13))
        parts.append(text(centre, 338, how, 11.5, fill="#5c646d"))
        step = max(width + slant, 74) + 16
        x += step
    for name, units in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        height = 60 + units * 0.026
        parts.append(rect(x + 12, middle - height / 2, 14, height, FC, PAPER))
        parts.append(text(x + 19, 278, name, 15, weight="bold"))
        parts.append(text(x + 19, 298, f"{units}", 13))
        x += 62
    for fill, label, left in ((CONV, "conv, relu", 330), (POOL, "max_pool, lrn", 470), (FC, "fc", 630)):
        parts += [rect(left, 24, 16, 16, fill), text(left + 24, 37, label, 13.5, "start")]
    save("network.svg", round(x + 16), 356, "The layers of --arch alexnet with their sizes", parts)


def positions():
    """Where conv1's window starts along one row of pixels, for the three readings of 227, 224, padding."""
    parts, scale, left = [], 3.0, 130
    rows = [("227, pad 0", "alexnet", 227, 0, 0, 55, "(227 - 11) / 4 + 1 = 55"),
            ("227, pad 2", "alexnet-code", 227, 2, 0, 56, "(227 + 4 - 11) / 4 + 1 = 56"),
            ("224, pad 0", "alexnet-2012", 224, 0, 3, 55, "ceil((224 - 11) / 4) + 1 = 55")]
    for i, (label, arch, side, pad, over, count, sum_) in enumerate(rows):
        y = 62 + i * 112
        parts += [text(24, y + 8, label, 15, "start", weight="bold"), text(24, y + 28, arch, 13, "start", "#5c646d")]
        start = left + 3 * scale
        parts.append(rect(start, y - 8, side * scale, 22, "#dfe6ee", FAINT))
        for a, b in ((-pad, 0), (side, side + pad + over)):
            if b > a:
                parts.append(rect(start + a * scale, y - 8, (b - a) * scale, 22, WARM, opacity=.35))
        for n in range(count):
            begin = start + (4 * n - pad) * scale
            shown = n in (0, 1, 2, count - 2, count - 1)
            parts.append(line(begin, y + 18, begin, y + 23, FAINT, 1))
            if shown:
                lift = 30 + 9 * (n % 3 if n < 3 else (n - count + 2) % 3)
                parts.append(rect(begin, y + lift, 11 * scale, 6, CONV))
        parts.append(text(start + side * scale / 2, y + 46, f"{sum_}", 16))
        parts += [text(start + (5.5 - pad) * scale - 1, y - 15, "1", 13), text(start + (9.5 - pad) * scale, y - 15, "2", 13),
                  text(start + (4 * (count - 1) - pad + 5.5) * scale, y - 15, f"{count}", 13)]
        if over:
            parts.append(text(start + (side + over) * scale + 6, y + 8, "+3", 13, "start", WARM))
        if pad:
            parts.append(text(start + (side + pad) * scale + 6, y + 8, "+2", 13, "start", WARM))
    save("conv1-positions.svg", 870, 366, "Positions of the 11-pixel window of conv1 along a row", parts)


def fields():
    """How much of the picture one unit of each layer sees."""
    sizes = [("conv1", 11), ("pool1", 19), ("conv2", 51), ("pool2", 67), ("conv3", 99), ("conv4", 131), ("conv5", 163), ("pool5", 195)]
    parts, scale, left, top = [], 1.6, 40, 30
    full = 227 * scale
    parts.append(rect(left, top, full, full, "#eef1f4", FAINT))
    for name, size in reversed(sizes):
        s = size * scale
        fill = POOL if "pool" in name else CONV
        x, y = left + (full - s) / 2, top + (full - s) / 2
        parts.append(rect(x, y, s, s, fill, PAPER, .22))
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{s:.1f}" height="{s:.1f}" fill="none" stroke="{fill}"/>')
    for i, (name, size) in enumerate(sizes):
        y = 66 + i * 40
        fill = POOL if "pool" in name else CONV
        parts.append(rect(470, y - 12, size * 1.05, 15, fill))
        parts.append(text(460, y, name, 15, "end", weight="bold"))
        parts.append(text(470 + size * 1.05 + 8, y, f"{size} x {size}", 14, "start"))
    parts.append(text(left + full / 2, top + full + 24, "227 x 227", 14))
    save("receptive-fields.svg", 780, 440, "The part of the picture that one unit of a layer depends on", parts)


def curves():
    """ReLU and the sigmoid, and their slopes."""
    parts = []
    def plot(left, title, function, slope, top_value, low):
        width, height, base = 330, 200, 250
        def at(x, value):
            return left + (x + 5) / 10 * width, base - (value - low) / (top_value - low) * height
        zero = at(0, 0)
        parts.append(line(left, zero[1], left + width, zero[1], FAINT, 1))
        parts.append(line(zero[0], base, zero[0], base - height, FAINT, 1))
        for f, colour, dash in ((function, CONV, ""), (slope, WARM, "7 4")):
            points = [at(x / 50, f(x / 50)) for x in range(-250, 251)]
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if y >= base - height - 1)
            parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="3" stroke-dasharray="{dash}"/>')
        parts.append(text(left + width / 2, 32, title, 16, weight="bold"))
        for x in (-4, -2, 2, 4):
            px, py = at(x, 0)
            parts.extend([line(px, py - 3, px, py + 3, FAINT, 1), text(px, py + 17, str(x), 12, fill="#5c646d")])
        for v in ((0.25, 1) if top_value < 2 else (1, 3)):
            px, py = at(0, v)
            parts.extend([line(px - 4, py, px + 4, py, FAINT, 1), text(px - 9, py + 4, f"{v:g}", 12, "end", "#5c646d") if v != 0.25
                          else text(px + 9, py - 8, "0.25", 12, "start", "#5c646d")])
    plot(40, "ReLU: y = max(0, x)", lambda x: max(0, x), lambda x: 1.0 if x > 0 else 0.0, 4, 0)
    plot(430, "sigmoid: y = 1 / (1 + exp(-x))", lambda x: 1 / (1 + math.exp(-x)),
         lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2, 1.1, 0)
    parts += [line(300, 298, 340, 298, CONV, 3), text(350, 303, "y", 15, "start"),
              line(420, 298, 460, 298, WARM, 3, 'stroke-dasharray="7 4"'), text(470, 303, "dy / dx", 15, "start")]
    save("relu-sigmoid.svg", 800, 320, "ReLU and the sigmoid with their slopes", parts)


def pooling():
    """3x3 windows in steps of 2 over a 7x7 map."""
    numbers = [[1, 0, 2, 4, 1, 0, 3], [0, 5, 1, 0, 2, 6, 1], [2, 1, 3, 1, 0, 1, 0], [7, 0, 1, 2, 8, 0, 2],
               [1, 3, 0, 1, 1, 4, 1], [0, 2, 6, 0, 3, 1, 0], [4, 1, 0, 2, 0, 9, 5]]
    parts, cell, left, top = [], 40, 40, 36
    for r in range(7):
        for c in range(7):
            shared = (r in (2, 4)) or (c in (2, 4))
            parts.append(rect(left + c * cell, top + r * cell, cell, cell, "#f1ddc3" if shared else "#ffffff", "#c9c4b6"))
    for r in range(7):
        for c in range(7):
            parts.append(text(left + c * cell + 20, top + r * cell + 26, numbers[r][c], 16))
    for (r, c), colour in (((0, 0), CONV), ((0, 1), WARM)):
        parts.append(rect(left + 2 * c * cell + 2, top + 2 * r * cell + 2, 3 * cell - 4, 3 * cell - 4, "none", colour, 1, 'stroke-width="3.5"'))
    parts.append(arrow(350, 176, 420, 176, width=2))
    parts.append(text(385, 160, "max", 16))
    for r in range(3):
        for c in range(3):
            best = max(numbers[2 * r + i][2 * c + j] for i in range(3) for j in range(3))
            colour = {(0, 0): CONV, (0, 1): WARM}.get((r, c), "#c9c4b6")
            parts.append(rect(450 + c * 52, 98 + r * 52, 48, 48, "#ffffff", colour, 1, f'stroke-width="{3.5 if (r, c) in ((0, 0), (0, 1)) else 1}"'))
            parts.append(text(450 + c * 52 + 24, 98 + r * 52 + 31, best, 18, weight="bold"))
    parts.append(text(180, 342, "7 x 7", 15))
    parts.append(text(526, 278, "(7 - 3) / 2 + 1 = 3", 15))
    save("pooling.svg", 660, 360, "Overlapping max pooling: windows of 3, steps of 2", parts)


def towers():
    """alexnet-paper on two GPUs, and where they talk."""
    layers = [("conv1", 48), ("conv2", 128), ("conv3", 192), ("conv4", 192), ("conv5", 128), ("fc6", 2048), ("fc7", 2048), ("fc8", 1000)]
    parts, talk = [], {"conv3", "fc6", "fc7", "fc8"}
    parts += [rect(112, y, 778, 106, fill, extra='rx="8"') for y, fill in ((30, "#e8eef6"), (176, "#f7eadb"))]
    parts += [text(126, 52, "GPU 0", 15, "start", weight="bold"), text(126, 272, "GPU 1", 15, "start", weight="bold")]
    parts += [rect(24, 118, 62, 76, "#dfe3e8", FAINT), text(55, 150, "224 x", 13), text(55, 168, "224 x 3", 13)]
    xs = [150 + 94 * i for i in range(8)]
    tops = (68, 190)
    for i, (name, maps) in enumerate(layers):
        fill = FC if name.startswith("fc") else CONV
        x = xs[i]
        for tower, y in enumerate(tops):
            if name == "fc8" and tower == 1:
                continue
            parts += [rect(x, y, 62, 54, fill, "none", 1, 'rx="4"'), text(x + 31, y + 24, name, 14, fill="#ffffff", weight="bold"),
                      text(x + 31, y + 43, maps, 13, fill="#ffffff")]
            if i == 0:
                parts.append(arrow(86, 146 + 20 * tower, x - 3, y + 27))
                continue
            parts.append(arrow(xs[i - 1] + 62, y + 27, x - 3, y + 27))
            if name in talk:
                down = tower == 1
                parts.append(arrow(xs[i - 1] + 62, tops[1 - tower] + (44 if down else 10), x - 3, y + (12 if down else 42),
                                   WARM, 1.8))
    save("two-gpus.svg", 920, 312, "The two towers of alexnet-paper", parts)


def dropout():
    """A fully connected layer with all units, and with half of them."""
    parts = []
    gone = {(1, 1), (1, 3), (1, 4), (2, 0), (2, 3), (2, 5)}
    for left, dropped in ((60, set()), (430, gone)):
        counts = [6, 6, 6, 3]
        place = {}
        for layer, count in enumerate(counts):
            for unit in range(count):
                place[layer, unit] = (left + layer * 96, 50 + unit * 40 + (6 - count) * 20)
        for (layer, unit), (x, y) in place.items():
            for (to, other), (x2, y2) in place.items():
                if to == layer + 1 and (layer, unit) not in dropped and (to, other) not in dropped:
                    parts.append(line(x, y, x2, y2, FAINT, .8))
        for key, (x, y) in place.items():
            if key in dropped:
                parts.append(f'<circle cx="{x}" cy="{y}" r="11" fill="{PAPER}" stroke="{FAINT}" stroke-dasharray="3 3"/>')
                parts += [line(x - 6, y - 6, x + 6, y + 6, WARM, 2), line(x - 6, y + 6, x + 6, y - 6, WARM, 2)]
            else:
                parts.append(f'<circle cx="{x}" cy="{y}" r="11" fill="{FC}"/>')
        for layer, name in enumerate(("pool5", "fc6", "fc7", "fc8")):
            parts.append(text(left + layer * 96, 298, name, 14, weight="bold"))
    save("dropout.svg", 790, 320, "fc6 and fc7 in testing, and in one step of training with dropout", parts)


for figure in (network, positions, fields, curves, pooling, towers, dropout):
    figure()
