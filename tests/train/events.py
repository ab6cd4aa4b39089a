"""A run's event file, read by the format's description alone: records and their checksums, events,
and that it says what metrics.jsonl says, once, also where the run was stopped and resumed.

usage: events.py TOOL_TRAIN
"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

TOOL = os.path.abspath(sys.argv[1])

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data = open(path, 'rb').read()
    at = 0
    while at < len(data):
        length, crc = struct.unpack_from('<QI', data, at)
        assert crc == masked_crc(data[at:at + 8]), 'the checksum of a length is wrong'
        body = data[at + 12:at + 12 + length]
        assert len(body) == length, 'a record is cut off'
        crc, = struct.unpack_from('<I', data, at + 12 + length)
        assert crc == masked_crc(body), 'the checksum of a record is wrong'
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """(field, value) of a protocol buffer; numbers of fixed size as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = (8, at) if kind == 1 else (4, at) if kind == 5 else varint(data, at)
            assert kind in (1, 2, 5) and at + size <= len(data)
            value = data[at:at + size]
            at += size
        yield key >> 3, value


def events(path):
    """[(step, {tag: value})], after the first record."""
    found = []
    for i, record in enumerate(records(path)):
        event = dict(fields(record))
        wall_time, = struct.unpack('<d', event[1])
        assert abs(time.time() - wall_time) < 3600
        if i == 0:
            assert event[3] == b'brain.Event:2' and set(event) == {1, 3}
            continue
        scalars = {}
        for field, value in fields(event[5]):
            assert field == 1
            scalar = dict(fields(value))
            scalars[scalar[1].decode()], = struct.unpack('<f', scalar[2])
        found.append((event[2], scalars))
    return found


def expected(line):
    scalars = {}
    for key, value in line.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                scalars[f'{line["kind"]}/{key}/{inner}'] = number
        elif not isinstance(value, (str, bool)) and key not in ('step', 'epoch'):
            scalars[f'{line["kind"]}/{key}'] = value
    return scalars


def check(folder):
    names = [name for name in os.listdir(folder) if 'tfevents' in name]
    assert len(names) == 1, names
    lines = [json.loads(line) for line in open(os.path.join(folder, 'metrics.jsonl'))]
    found = events(os.path.join(folder, names[0]))
    assert len(found) == len(lines), (len(found), len(lines))
    for (step, scalars), line in zip(found, lines):
        wanted = expected(line)
        assert step == line['step'] and set(scalars) == set(wanted), (step, scalars, line)
        for tag, value in wanted.items():
            assert abs(scalars[tag] - value) <= 1e-6 * abs(value) + 1e-30, (tag, scalars[tag], value)
    kinds = {line['kind'] for line in lines}
    assert kinds == {'step', 'layers', 'epoch'}, kinds
    steps = [step for (step, scalars) in found if 'step/loss' in scalars]
    assert steps == list(range(2, 19, 2)), steps
    return found


assert masked_crc(b'123456789') == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF

with tempfile.TemporaryDirectory() as folder:
    whole, killed = os.path.join(folder, 'whole'), os.path.join(folder, 'killed')
    subprocess.run([TOOL, whole], check=True)
    found = check(os.path.join(whole, 'run'))
    assert any(tag == 'layers/conv1.weight/ratio' for _, scalars in found for tag in scalars)

    for kills in range(3):
        process = subprocess.Popen([TOOL, killed])
        deadline = time.time() + 60
        while not os.path.exists(os.path.join(killed, 'run', 'last.safetensors')):
            assert time.time() < deadline
            time.sleep(0.001)
        time.sleep(0.01 * kills)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with open(os.path.join(killed, 'run', 'events.out.tfevents.0.alexnet'), 'ab') as file:
            file.write(b'half a record')
    subprocess.run([TOOL, killed], check=True)
    check(os.path.join(killed, 'run'))
print('the event files are sound')
