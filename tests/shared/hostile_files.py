"""Files that mean harm, each made where a test wants it. Those that hold code would make a file, the canary."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Made = Callable[[Path, Path], Path]
"""(folder, canary) → the file."""

# pickles, opcode by opcode

EMPTY, MARK, STOP, REDUCE, TUPLE, SETITEM = b"}", b"(", b".", b"R", b"t", b"s"
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
SYSTEM = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)


def program(*body: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + b"".join(body) + STOP


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(letters: str) -> bytes:
    return b"X" + struct.pack("<I", len(letters.encode())) + letters.encode()


def number(value: int) -> bytes:
    written = pickle.encode_long(value)
    return b"\x8a" + bytes([len(written)]) + written


def numbers(*values: int) -> bytes:
    return MARK + b"".join(map(number, values)) + TUPLE


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + MARK + b"".join(arguments) + TUPLE + REDUCE


def storage(count: int, kind: str = "FloatStorage", key: str = "0", *more: bytes) -> bytes:
    parts = [text("storage"), named("torch", kind), text(key), text("cpu"), number(count), *more]
    return MARK + b"".join(parts) + TUPLE + b"Q"


def tensor(count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], held: bytes = b"") -> bytes:
    hooks = call("collections", "OrderedDict")
    parts = [held or storage(count), number(offset), numbers(*shape), numbers(*strides), b"\x89", hooks]
    return call("torch._utils", "_rebuild_tensor_v2", *parts)


def state(value: bytes, key: str = "conv.weight") -> bytes:
    return EMPTY + text(key) + value + SETITEM


GOOD = tensor(6, 0, (2, 3), (3, 1))
NONE = b"N"
OLD = tensor(6, 0, (2, 3), (3, 1), storage(6, "FloatStorage", "0", NONE))
"""The same in an older file: a storage may be part of another."""


# what they lie in


def zipped(code: bytes, data: bytes = bytes(24), **entries: bytes) -> bytes:
    """As torch saves since 1.6: a zip archive of stored entries."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"data.pkl": code, "byteorder": b"little", "data/0": data, "version": b"3\n"}.items():
            archive.writestr(f"net/{name}", content)
        for name, content in entries.items():
            archive.writestr(name, content)
    return whole.getvalue()


def older(code: bytes, keys: tuple[str, ...] = ("0",), data: bytes = struct.pack("<q", 6) + bytes(24)) -> bytes:
    """As torch saved before that: pickles one behind the other, then numbers."""
    return MAGIC + SYSTEM + code + pickle.dumps(list(keys), 2) + data


def packed(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """As safetensors has it."""
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(written) if length is None else length) + written + data


def claim(shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def file(name: str, content: Callable[[str], bytes] | bytes) -> Made:
    """One of this content; a function of it is given the command that makes the canary."""

    def made(folder: Path, canary: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content(f"touch '{canary}'"))
        return path

    return made


def pth(value: Callable[[str], bytes] | bytes) -> Made:
    """A state dict of this one value, in a zip archive."""
    if isinstance(value, bytes):
        return file("net.pth", zipped(program(state(value))))
    return file("net.pth", lambda command: zipped(program(state(value(command)))))


# code


def python(command: str) -> str:
    return f"import os; os.system({command!r})"


def torchscript(folder: Path, canary: Path) -> Path:
    """A module whose `__setstate__` would run where it is loaded: the way of CVE-2025-32434."""
    code = "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
    code += f'  def __setstate__(self, state: Tensor) -> NoneType:\n    _0 = torch.from_file("{canary}", True, 1)\n'
    script = {"net/constants.pkl": program(b")"), "net/code/__torch__.py": code.encode()}
    (folder / "net.pt").write_bytes(zipped(program(named("__torch__", "Net") + b")\x81"), **script))
    return folder / "net.pt"


def tarred(folder: Path, canary: Path) -> Path:
    """As torch saved in 2017, where `weights_only` once was forgotten: the other way of CVE-2025-32434."""
    harm = program(call("os", "system", text(f"touch '{canary}'")))
    with tarfile.open(folder / "net.pth", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            entry = tarfile.TarInfo(name)
            entry.size = len(harm)
            archive.addfile(entry, io.BytesIO(harm))
    return folder / "net.pth"


def source_of_a_container(command: str) -> bytes:
    """`torch.load` once compared sources of modules and wrote what differed to a file."""
    container = MARK + text("module") + named("torch.nn.modules.linear", "Linear") + text("a.py") + text("x") + TUPLE
    return older(program(container + b"Q"))


def scalar(command: str) -> bytes:
    """NumPy's scalars of objects hold pickles of their own."""
    objects = call("numpy", "dtype", text("O8"), b"\x89", b"\x88")
    return call("numpy._core.multiarray", "scalar", objects, text(python(command)))


def within(command: str) -> bytes:
    """A pickle in a pickle, which torch's storages once were."""
    inner = program(call("os", "system", text(command))).decode("latin-1")
    return call("torch.storage", "_load_from_bytes", call("_codecs", "encode", text(inner), text("latin1")))


CODE: dict[str, Made] = {
    "os.system": pth(lambda command: call("os", "system", text(command))),
    "posix.system": pth(lambda command: call("posix", "system", text(command))),
    "subprocess": pth(lambda command: call("subprocess", "getoutput", text(command))),
    "exec": pth(lambda command: call("builtins", "exec", text(python(command)))),
    "eval": pth(lambda command: call("__builtin__", "eval", text(f"__import__('os').system({command!r})"))),
    "torch.hub": pth(lambda command: call("torch.hub", "load", text("/tmp/harm"), text(command))),
    "importlib": pth(lambda command: call("importlib", "import_module", text("antigravity"))),
    "runpy": pth(lambda command: call("runpy", "_run_code", text(python(command)), EMPTY)),
    "getattr": pth(lambda command: call("builtins", "getattr", named("os", "path"), text("os"))),
    "GLOBAL by a dotted name": pth(lambda command: call("torch", "serialization.os.system", text(command))),
    "STACK_GLOBAL": file(
        "net.pth",
        lambda command: zipped(program(text("os") + text("system") + b"\x93" + text(command) + b"\x85R", protocol=4)),
    ),
    "INST": pth(lambda command: MARK + text(command) + b"ios\nsystem\n"),
    "OBJ": pth(lambda command: MARK + named("os", "system") + text(command) + b"o"),
    "NEWOBJ": pth(lambda command: named("subprocess", "Popen") + text(command) + b"\x85\x81"),
    "NEWOBJ_EX": pth(lambda command: named("subprocess", "Popen") + text(command) + b"\x85" + EMPTY + b"\x92"),
    "EXT1": pth(b"\x82\x01"),
    "PERSID": pth(lambda command: f"P{command}\n".encode()),
    "BINPERSID of a module": file("net.pth", source_of_a_container),
    "BUILD of a tensor": pth(lambda command: GOOD + EMPTY + text("__class__") + named("os", "system") + SETITEM + b"b"),
    "BUILD of a dict": pth(lambda command: call("collections", "OrderedDict") + named("os", "system") + b"b"),
    "a tensor of another type": pth(
        lambda command: call(
            "torch._tensor", "_rebuild_from_type_v2", named("os", "system"), named("torch", "Tensor"), EMPTY, EMPTY
        )
    ),
    "a scalar of NumPy's": pth(scalar),
    "a pickle in a storage": pth(within),
    "a pickle of Python's alone": file("net.pkl", lambda command: program(call("os", "system", text(command)))),
    "an older file": file("net.pth", lambda command: older(program(state(call("os", "system", text(command)))))),
    "an older file's keys": file(
        "net.pth", lambda command: MAGIC + SYSTEM + program(state(OLD)) + program(call("os", "system", text(command)))
    ),
    "an older file's system": file(
        "net.bin", lambda command: MAGIC + program(call("os", "system", text(command))) + program(state(OLD))
    ),
    "code before a file that is cut short": file(
        "net.ckpt", lambda command: zipped(b"\x80\x02" + call("os", "system", text(command)) + b"0")
    ),
    "TorchScript": torchscript,
    "a tar archive": tarred,
}

# tensors that are none

COO = call("torch.serialization", "_get_layout", text("torch.sparse_coo"))
INDICES = tensor(6, 0, (1, 1), (1, 1), storage(3, "LongStorage"))
HASHES = b")" + b"q\x00h\x00\x86" * 64
"""A tuple of twice a tuple of twice a tuple …: 64 deep, its hash takes 2⁶⁴ steps."""

PART = MARK + text("1") + number(2**40) + number(6) + TUPLE


def saved(make: Callable[[], torch.Tensor]) -> Made:
    """What torch saves of a tensor of its own."""

    def made(folder: Path, canary: Path) -> Path:
        with warnings.catch_warnings(action="ignore"):  # some are on their way out
            torch.save({"a": make()}, folder / "net.pth")
        return folder / "net.pth"

    return made


TENSORS: dict[str, Made] = {
    "SETITEM of a tensor": pth(GOOD + number(0) + number(7) + SETITEM),
    "SETITEMS of a list": pth(b"](" + number(2**40) + text("x") + b"u"),
    "SETITEM of a set": pth(b"\x8f" + number(0) + number(7) + SETITEM),
    "a storage longer than its entry": pth(tensor(2**20, 0, (2**20,), (1,))),
    "a storage shorter than its entry": pth(tensor(1, 0, (2, 3), (3, 1))),
    "two lengths of one storage": file(
        "net.pth",
        zipped(program(EMPTY, text("a"), GOOD, SETITEM, text("b"), tensor(2**30, 0, (2**30,), (1,)), SETITEM)),
    ),
    "an offset beyond the storage": pth(tensor(6, 2**40, (2, 3), (3, 1))),
    "an offset below 0": pth(tensor(6, -64, (2, 3), (3, 1))),
    "strides beyond the storage": pth(tensor(6, 0, (2, 3), (2**40, 1))),
    "strides below 0": pth(tensor(6, 0, (2, 3), (-3, -1))),
    "a side below 0": pth(tensor(6, 0, (-2, 3), (3, 1))),
    "a storage of 2⁴⁰ numbers": pth(tensor(2**40, 0, (2**40,), (1,))),
    "a storage of -1 numbers": pth(tensor(-1, 0, (2, 3), (3, 1))),
    "2⁴⁰ numbers in an older file": file(
        "net.pth", older(program(state(tensor(2**40, 0, (2**40,), (1,), storage(2**40, "FloatStorage", "0", NONE)))))
    ),
    "2⁶² bytes in an older file": file("net.pth", older(program(state(OLD)), data=struct.pack("<q", 2**60))),
    "one number, seen 10¹² times": pth(tensor(6, 0, (10**6, 10**6), (0, 0))),
    "a terabyte of bytes": pth(call("builtins", "bytearray", number(2**40))),
    "a sparse tensor": pth(
        call("torch._utils", "_rebuild_sparse_tensor", COO, MARK + INDICES + GOOD + numbers(2**40) + b"\x88" + TUPLE)
    ),
    "a quantised tensor": saved(lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)),
    "a sparse tensor of torch's": saved(lambda: torch.eye(3).to_sparse()),
    "a complex tensor": saved(lambda: torch.ones(2, dtype=torch.complex64)),
    "a tensor without numbers": pth(
        call(
            "torch._utils",
            "_rebuild_meta_tensor_no_storage",
            named("torch", "float32"),
            numbers(2),
            numbers(1),
            b"\x89",
        )
    ),
    "an older file whose storage is part of another": file(
        "net.pth", older(program(state(tensor(6, 0, (2, 3), (3, 1), storage(6, "FloatStorage", "0", PART)))))
    ),
    "an entry of another name": pth(tensor(6, 0, (2, 3), (3, 1), storage(6, key="../../../etc/passwd"))),
    "lists, 200,000 deep": file("net.pth", zipped(program(b"]" * 200_000 + b"a" * 199_999))),
    "a hash of 2⁶⁴ steps": file("net.pth", zipped(program(EMPTY, HASHES, number(0), SETITEM))),
    "numbers that are none": file("net.pth", zipped(program(state(GOOD)), b"\xff" * 24)),
    "names over several lines": file("net.pth", zipped(program(state(GOOD, "a\nError: \x1b[31mb")))),
}


# archives

PLAIN = program(state(GOOD))


def archive(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    whole = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(whole, "w", compression) as made:  # a name twice
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content, compression)
    return whole.getvalue()


def swapped(content: bytes, before: bytes, after: bytes, count: int = -1) -> bytes:
    assert before in content
    return content.replace(before, after, count)


def overlapping() -> bytes:
    """Of the first numbers' entry the directory says that it reaches into the next."""
    whole = bytearray(archive(("net/data.pkl", PLAIN), ("net/data/0", bytes(24)), ("net/data/1", bytes(2400))))
    at = whole.rindex(b"net/data/0") - 46
    whole[at + 20 : at + 28] = struct.pack("<II", 1000, 1000)
    return bytes(whole)


def beyond() -> bytes:
    """The directory says of an entry that it begins behind the end."""
    whole = bytearray(zipped(PLAIN))
    at = whole.rindex(b"net/data/0") - 46
    whole[at + 42 : at + 46] = struct.pack("<I", 2**30)
    return bytes(whole)


def encrypted() -> bytes:
    whole = bytearray(zipped(PLAIN))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.index(signature)
        whole[at + place] |= 1
    return bytes(whole)


def lying() -> bytes:
    """An entry calls itself otherwise than the directory does."""
    return swapped(zipped(PLAIN), b"net/data.pkl", b"net/evil.pkl", 1)


def many(command: str) -> bytes:
    return archive(("net/data.pkl", PLAIN), *((f"net/data/{place}", b"") for place in range(110_000)))


ARCHIVES: dict[str, Made] = {
    "a zip bomb": file(
        "net.pth", lambda _: archive(("net/data.pkl", bytes(10 * 2**20)), compression=zipfile.ZIP_DEFLATED)
    ),
    "numbers compressed": file(
        "net.pth",
        archive(("net/data.pkl", PLAIN), ("net/data/0", bytes(24)), compression=zipfile.ZIP_BZIP2),
    ),
    "names that lead out": file("net.pth", zipped(PLAIN, **{"net/../../../tmp/harm": b"x"})),
    "names from the root": file("net.pth", zipped(PLAIN, **{"/etc/passwd": b"x"})),
    "names of Windows": file("net.pth", zipped(PLAIN, **{"net\\..\\harm": b"x"})),
    "two data.pkl": file("net.pth", archive(("net/data.pkl", PLAIN), ("net/data.pkl", program(b"}")))),
    "entries over each other": file("net.pth", overlapping()),
    "encrypted entries": file("net.pth", encrypted()),
    "a directory that lies": file("net.pth", lying()),
    "something behind the end": file("net.pth", zipped(PLAIN) + b"harm"),
    "something before the start": file("net.pth", b"PK\x03\x04" + zipped(PLAIN)),
    "two folders": file("net.pth", archive(("net/data.pkl", PLAIN), ("other/data/0", bytes(24)))),
    "a directory that points beyond": file("net.pth", beyond()),
    "a comment": file("net.pth", swapped(zipped(PLAIN)[:-2], b"PK\x05\x06", b"PK\x05\x06") + b"\x04\x00harm"),
    "no data.pkl": file("net.pth", archive(("net/data/0", bytes(24)))),
    "a data.pkl of 20 MB": file("net.pth", lambda _: zipped(program(b"N0" * (10 * 2**20), state(GOOD)))),
    "110,000 entries": file("net.pth", many),
    "a directory of 4 GB": file("net.pth", zipped(PLAIN)[:-10] + b"\xff\xff\xff\xff" + zipped(PLAIN)[-6:]),
    "a zip archive cut short": file("net.pth", zipped(PLAIN)[:-40]),
    "half of a zip archive": file("net.pth", zipped(PLAIN)[:200]),
    "an older file cut short": file("net.pth", older(program(state(OLD)))[:-20]),
    "an empty file": file("net.pth", b""),
    "another file": file("net.pth", b"\x89PNG\r\n\x1a\n" + bytes(100)),
}

# no files


def folder_of_this_name(folder: Path, canary: Path) -> Path:
    (folder / "net.pth").mkdir()
    return folder / "net.pth"


def pipe(name: str) -> Made:
    def made(folder: Path, canary: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return made


def link(target: str) -> Made:
    def made(folder: Path, canary: Path) -> Path:
        (folder / "net.pth").symlink_to(target)
        return folder / "net.pth"

    return made


def listening(folder: Path, canary: Path) -> Path:
    made = socket.socket(socket.AF_UNIX)
    place = Path.cwd()
    os.chdir(folder)  # the way to a socket must be short
    made.bind("net.pth")
    os.chdir(place)
    made.close()
    return folder / "net.pth"


NO_FILES: dict[str, Made] = {
    "a folder": folder_of_this_name,
    "a pipe": pipe("net.pth"),
    "a pipe called .safetensors": pipe("net.safetensors"),
    "a device": link("/dev/zero"),
    "a link to itself": link("net.pth"),
    "a link to nothing": link("nowhere.pth"),
    "a socket": listening,
}

# safetensors

F32 = bytes(4)


def safe(header: Any, data: bytes = F32, length: int | None = None) -> Made:
    """One of this header; a function makes a large one."""
    return file("net.safetensors", lambda _: packed(header() if callable(header) else header, data, length))


def twice(claims: str) -> bytes:
    return f'{{"a":{claims},"a":{claims}}}'.encode()


SAFETENSORS: dict[str, Made] = {
    "a header of 2⁶³ bytes": safe({"a": claim([1], 0, 4)}, length=2**63),
    "a header longer than the file": safe({"a": claim([1], 0, 4)}, length=1000),
    "a header of 17 MB": safe(lambda: b" " * (17 * 2**20) + json.dumps({"a": claim([1], 0, 4)}).encode()),
    "tensors over each other": safe({"a": claim([2], 0, 8), "b": claim([1], 4, 8)}, bytes(8)),
    "a gap between tensors": safe({"a": claim([1], 0, 4), "b": claim([1], 8, 12)}, bytes(12)),
    "tensors beyond the file": safe({"a": claim([2], 0, 8)}),
    "numbers behind the tensors": safe({"a": claim([1], 0, 4)}, bytes(64)),
    "a shape below 0": safe({"a": claim([-1], 0, 4)}),
    "a shape of 2¹²⁰": safe({"a": claim([2**60, 2**60], 0, 4)}),
    "an empty shape of 2⁶²": safe({"a": claim([2**62, 0], 0, 0)}, b""),
    "100,000 dimensions": safe({"a": claim([1] * 100_000, 0, 4)}),
    "offsets from the end": safe({"a": claim([1], -4, 0)}),
    "NaN": safe(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    "1.0": safe(b'{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}'),
    "a name that comes twice": safe(twice('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}')),
    "metadata twice": safe(
        b'{"__metadata__":{"i2i":"{}","i2i":"[]"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    ),
    "JSON, 100,000 deep": safe(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b""),
    "a number of a million digits": safe(b'{"a":' + b"9" * 1_000_000 + b"}", b""),
    "metadata of 5 MB": safe(lambda: {"__metadata__": {"i2i": "x" * 5 * 2**20}, "a": claim([1], 0, 4)}),
    "metadata that are no texts": safe({"__metadata__": {"i2i": 1}, "a": claim([1], 0, 4)}),
    "110,000 tensors": safe(lambda: {str(place): claim([0], 0, 0) for place in range(110_000)}, b""),
    "numbers of no kind": safe({"a": {**claim([1], 0, 4), "dtype": "__import__('os')"}}),
    "a name over several lines": safe({"a\nError: b": claim([1], 0, 4)}),
    "no JSON": safe(b"\xff\xfe\xfd"),
    "a list": safe([1, 2]),
    "a pickle called .safetensors": file(
        "net.safetensors", lambda command: zipped(program(call("os", "system", text(command))))
    ),
    "a pickle of Python's called .safetensors": file(
        "net.safetensors", lambda command: program(call("os", "system", text(command)))
    ),
    "ONNX called .safetensors": file("net.safetensors", b"\x08\x07\x12\x07pytorch\x1a\x05" + bytes(200)),
    "a pickle called .onnx": file("net.onnx", lambda command: program(call("os", "system", text(command)))),
    "a zip archive called .onnx": file(
        "net.onnx", lambda command: zipped(program(state(call("os", "system", text(command)))))
    ),
}

HOSTILE = {**CODE, **TENSORS, **ARCHIVES, **NO_FILES, **SAFETENSORS}
"""What it is → how it is made."""
