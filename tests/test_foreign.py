"""Files that others made: plain tensors come out, whatever else is in them stays without effect."""

import os
import subprocess
import sys

import psutil
import pytest
import torch
from hostile_files import CODE, HOSTILE, NO_FILES, SAFETENSORS, claim, packed
from safetensors.torch import save_file

from i2i.errors import I2IError
from i2i.foreign import WRAPPERS, read_tensors, sandbox

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.ones(2)}


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def same(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_state_dict_is_read_as_it_is(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    save_file(STATE, tmp_path / "net.safetensors")
    assert same(read_tensors(tmp_path / "net.pth"))
    assert same(read_tensors(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_state_dict_among_other_things_is_found(tmp_path, wrapper):
    torch.save({"epoch": 3, wrapper: STATE}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_names_lose_what_data_parallel_put_before_them(tmp_path):
    torch.save({f"module.{key}": value for key, value in STATE.items()}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_names_of_which_only_some_have_the_prefix_stay_as_they_are(tmp_path):
    torch.save({"a": torch.zeros(1), "module.a": torch.ones(1)}, tmp_path / "net.pth")
    found = read_tensors(tmp_path / "net.pth")
    assert {key: tensor.item() for key, tensor in found.items()} == {"a": 0, "module.a": 1}


def test_what_is_not_a_tensor_is_left_out(tmp_path):
    torch.save({**STATE, "note": "trained on a Sunday", 7: torch.ones(1)}, tmp_path / "net.pth")
    assert same(read_tensors(tmp_path / "net.pth"))


def test_code_in_a_pickle_does_not_run(tmp_path):
    canary = tmp_path / "canary"
    torch.save({"weight": Hostile(canary)}, tmp_path / "net.pth")
    with pytest.raises(I2IError, match=r"net\.pth: damaged, or holds something else than plain tensors"):
        read_tensors(tmp_path / "net.pth")
    assert not canary.exists()


@pytest.mark.parametrize("contents", [b"", b"hello, this is text", bytes(range(256)) * 4, b"PK\x03\x04 cut short"])
def test_what_is_no_file_of_tensors_is_refused_in_one_line(tmp_path, contents):
    for name in ("net.pth", "net.safetensors"):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(I2IError) as caught:
            read_tensors(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def test_a_file_without_named_tensors_says_what_it_holds(tmp_path):
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "numbers.pth")
    with pytest.raises(I2IError, match=r"numbers\.pth: holds no named tensors, but 'epoch', 'lr'"):
        read_tensors(tmp_path / "numbers.pth")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(I2IError, match="holds no named tensors, but a list"):
        read_tensors(tmp_path / "list.pth")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    torch.save({**STATE, "conv.scale": torch.tensor([1.0, float("nan")])}, tmp_path / "net.pth")
    with pytest.raises(I2IError, match=r"net\.pth: conv\.scale holds numbers that are not finite"):
        read_tensors(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(I2IError, match=rf"{name}: no such file"):
        read_tensors(tmp_path / name)


# hostile files: all of them go through the command in tests/prove/test_hostile_weights.py

SOME = [
    "exec", "STACK_GLOBAL", "BINPERSID of a module", "a scalar of NumPy's", "a pickle in a storage",
    "an older file's keys", "TorchScript", "a tar archive", "SETITEM of a tensor", "a storage longer than its entry",
    "an offset beyond the storage", "2⁴⁰ numbers in an older file", "one number, seen 10¹² times",
    "a terabyte of bytes", "a quantised tensor", "a tensor without numbers", "a zip bomb", "names that lead out",
    "two data.pkl", "entries over each other", "encrypted entries", "a directory that lies",
    "something behind the end", "no data.pkl", "a pickle called .onnx",
]  # fmt: skip

QUICK = [name for name in SAFETENSORS if name != "110,000 tensors"]


@pytest.mark.parametrize("name", [*SOME, *NO_FILES, *QUICK])
def test_a_hostile_file_is_refused_in_one_line_and_stays_without_effect(tmp_path, name):
    (tmp_path / "given").mkdir()
    file, canary = HOSTILE[name](tmp_path / "given", tmp_path / "canary"), tmp_path / "canary"
    with pytest.raises(I2IError) as caught:
        read_tensors(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).isprintable()
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "TorchScript": "is a TorchScript archive, which holds code; save the state dict of its module instead",
        "a tar archive": "is a tar archive, as torch saved before 2018; load it there and save its state dict anew",
        "an empty file": "is empty",
        "another file": "is no file of tensors: it begins neither as torch's zip archives nor as its older files",
        "a zip bomb": "is a zip archive of compressed entries, which torch does not write",
        "encrypted entries": "is an encrypted zip archive, which torch does not write",
        "names that lead out": "is a zip archive with names that lead out of its folder",
        "two data.pkl": "is a zip archive with two entries of one name",
        "no data.pkl": "is a zip archive without the data.pkl in which torch names its tensors",
        "entries over each other": "is a zip archive whose entries lie over each other",
        "a directory that lies": "is a zip archive whose directory does not say what its entries say",
        "something behind the end": "is a zip archive that is cut short or has something behind its end",
        "one number, seen 10¹² times": "its tensors claim 4000000000000 bytes; a file of 608 bytes cannot hold them",
        "something before the start": "is a zip archive behind something else",
        "two folders": "is a zip archive, but not as torch lays it out: one folder with all entries",
        "a directory that points beyond": "is a zip archive whose directory points beyond its end",
        "a directory of 4 GB": "is a damaged zip archive (Bad offset for central directory)",
        "a data.pkl of 20 MB": "has a data.pkl of 20971676 bytes; more than 16777216 are not read",
        "a quantised tensor": "a is a quantised tensor; only plain tensors are read",
        "a sparse tensor of torch's": "a is a sparse tensor; only plain tensors are read",
        "a complex tensor": "a is of torch.complex64; only plain tensors are read",
        "a tensor without numbers": (
            "conv.weight is a tensor on 'meta', without numbers; only plain tensors are read"
        ),
        "names over several lines": "damaged or hostile: it names a tensor 'a\\nError: \\x1b[31mb'",
        "a pipe": "cannot be read: it is a pipe",
        "a folder": "cannot be read: it is a folder",
        "a device": "cannot be read: it is a device",
        "a pipe called .safetensors": "not a readable safetensors file (it is a pipe)",
        "a pickle called .safetensors": (
            "not a readable safetensors file (whatever its name, it begins as what torch pickles)"
        ),
        "a header of 2⁶³ bytes": (
            "not a readable safetensors file "
            "(its header claims 9223372036854775808 bytes; more than 16777216 are not read)"
        ),
        "tensors over each other": (
            "not a readable safetensors file (b does not begin where the tensor before it ends)"
        ),
        "a name that comes twice": (
            "not a readable safetensors file (its header is no plain JSON: a name comes twice)"
        ),
        "JSON, 100,000 deep": "not a readable safetensors file (its header is nested too deeply)",
        "metadata of 5 MB": "not a readable safetensors file (its metadata are longer than 4194304 characters)",
        "tensors beyond the file": (
            "not a readable safetensors file (its tensors claim 8 bytes, but 4 follow its header)"
        ),
    }.items(),
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, reason):
    file = HOSTILE[name](tmp_path, tmp_path / "canary")
    with pytest.raises(I2IError) as caught:
        read_tensors(file)
    assert str(caught.value) == f"{file}: {reason}"


def test_the_cause_says_what_the_file_wanted_without_advice_to_let_it(tmp_path):
    with pytest.raises(I2IError) as caught:
        read_tensors(CODE["subprocess"](tmp_path, tmp_path / "canary"))
    assert str(caught.value.__cause__) == (
        "Unsupported global: GLOBAL subprocess.getoutput was not an allowed global by default."
    )


def test_the_real_command_reads_in_a_process_of_its_own_and_leaves_none(run_i2i, tmp_path):
    """Forked is the command alone: what opens the file is started as for users."""
    given = (CODE["os.system"](tmp_path, tmp_path / "canary"), tmp_path / "good.pth")
    torch.save(STATE, given[1])
    said = [run_i2i("import", file, "--out", tmp_path / "w.safetensors", site=tmp_path) for file in given]
    damaged = f"Error: {given[0]}: damaged, or holds something else than plain tensors: os.system"
    damaged += "; save the network's state_dict() alone where it was made\n"
    assert (said[0].returncode, said[0].stdout, said[0].stderr) == (1, "", damaged)
    assert said[1].stderr.startswith(
        f"Error: {given[1]}: not recognised: its 2 tensors begin with conv.weight, conv.bias"
    )
    assert not (tmp_path / "canary").exists()
    assert not [one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(one.info)]


# the walls

SEALED = """
import ctypes, os, resource, socket, sys
from i2i.foreign import inside
there, way = sys.argv[1:]
kernel = ctypes.CDLL(None)
parent = os.getppid()
if way == "kernel":
    inside.sys = type("", (), {"platform": sys.platform, "addaudithook": print})  # Python lets everything pass
inside._limit_memory(2**26)
inside._seal()
for what, does in {
    "read": lambda: open(there), "write": lambda: open(there, "w"), "create": lambda: open(there + "2", "w"),
    "folder": lambda: os.mkdir(there + "3"), "remove": lambda: os.remove(there), "cut": lambda: os.truncate(there, 0),
    "link": lambda: os.link(there, there + "4"), "rename": lambda: os.rename(there, there + "5"),
    "socket": lambda: socket.socket(), "pipe": lambda: os.pipe(), "run": lambda: os.execv(sys.executable, ["python"]),
    "signal": lambda: os.kill(parent, 0), "memory": lambda: bytearray(2**27),
    "limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9)) if os.getuid() else open(there),
}.items():
    try:
        does()
        os.write(1, b"could: " + what.encode() + b"\\n")
    except (OSError, MemoryError, ValueError):
        pass
os.write(1, b"done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel has no Landlock")
@pytest.mark.parametrize("way", ["kernel", "python"])
def test_the_process_that_opens_pickles_can_do_nothing_else(tmp_path, way):
    """`kernel`: were Python's own refusal overcome, the kernel's would still hold."""
    (tmp_path / "file").write_text("untouched")
    command = [sys.executable, "-c", SEALED, tmp_path / "file", way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "done", done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("could")] == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "untouched"


def test_it_is_given_nobodys_passwords(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    begun = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **how: begun.append((words, how)))
    with (tmp_path / "file").open("xb+") as file:
        sandbox_started(file)
    ((words, how),) = begun
    assert words[1:3] == ["-I", "-B"]
    assert "secret" not in how["env"].values()
    assert how["env"].keys() <= {*sandbox.KEPT, *sandbox.GIVEN}


sandbox_started = sandbox.started
"""As for users."""


# what comes back


def answering(code):
    """In place of the process that opens pickles."""
    words = [sys.executable, "-I", "-c", f"import os, signal, sys, time; {code}"]
    return lambda file: subprocess.Popen(words, stdin=file, stdout=subprocess.PIPE)


def refused(path, monkeypatch, code):
    monkeypatch.setattr(sandbox, "started", answering(code))
    with pytest.raises(I2IError) as caught:
        read_tensors(path)
    assert not [one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE]
    assert str(caught.value).startswith(f"{path}: damaged or hostile: ")
    return str(caught.value).removeprefix(f"{path}: damaged or hostile: ")


@pytest.fixture
def file(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.mark.parametrize(
    ("code", "reason"),
    {
        "sys.exit(3)": "its reader ended with 3 before it had answered",
        "os.kill(os.getpid(), signal.SIGSEGV)": "its reader died of signal 11",
        "os.kill(os.getpid(), signal.SIGXCPU)": "its reader took more time or memory than a file of its size needs",
        "os.write(1, bytes(4))": "its reader ended with 0 before it had answered",
        "os.write(1, (99).to_bytes(8, 'little') + b'{}')": "its reader ended with 0 before it had answered",
    }.items(),
)
def test_a_reader_that_dies_is_reported(file, monkeypatch, code, reason):
    assert refused(file, monkeypatch, code) == reason


def test_a_reader_that_takes_too_long_is_ended(file, monkeypatch):
    monkeypatch.setattr(sandbox, "START", 0)
    monkeypatch.setattr(sandbox, "PATIENCE", 0.01)
    said = refused(file, monkeypatch, "time.sleep(600)")
    assert said == "its reader took more time or memory than a file of its size needs"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (packed({}, length=2**63), "its header claims 9223372036854775808 bytes; more than 16777216 are not read"),
        (packed({"a": claim([2**30], 0, 2**32)}), f"its tensors claim {2**32} bytes"),
        (packed({"a": claim([2], 0, 8), "b": claim([2], 4, 12)}), "b does not begin where the tensor before it ends"),
        (packed({"a": {**claim([1], 0, 4), "dtype": "F8_E4M3", "shape": [4]}}), "a is of F8_E4M3"),
        (packed({"a\nb": claim([1], 0, 4)}), "it names a tensor 'a\\nb'"),
        (packed({"a": claim([2], 0, 8)}, bytes(4)), "its reader ended with 0 before it had answered"),
    ],
)
def test_what_the_reader_answers_is_believed_no_more_than_the_file(file, tmp_path, monkeypatch, answer, reason):
    (tmp_path / "answer").write_bytes(answer)
    code = f"os.write(1, open({str(tmp_path / 'answer')!r}, 'rb').read())"
    assert refused(file, monkeypatch, code) == reason


def test_what_the_reader_says_stays_in_one_printable_line(file, tmp_path, monkeypatch):
    (tmp_path / "answer").write_bytes(packed({"__metadata__": {"refused": "no\n\x1b[31mError: " + "x" * 1000}}))
    monkeypatch.setattr(sandbox, "started", answering(f"os.write(1, open({str(tmp_path / 'answer')!r}, 'rb').read())"))
    with pytest.raises(I2IError) as caught:
        read_tensors(file)
    assert str(caught.value).startswith(f"{file}: no [31mError: xxx")
    assert len(str(caught.value)) <= len(f"{file}: ") + sandbox.LONGEST_REASON


@pytest.mark.parametrize(
    ("torch_there", "reason"),
    [
        ("None", "is not opened: the process that would do it cannot import torch"),
        (
            "type('', (), {'__version__': '2.5.1+cpu'})",
            "is not opened: that is safe from torch 2.11 on, and here is 2.5.1+cpu",
        ),
    ],
)
def test_a_torch_that_is_not_safe_or_not_there_is_not_used(file, fresh_reader, monkeypatch, torch_there, reason):
    monkeypatch.setattr(sandbox, "PROGRAM", f"import sys; sys.modules['torch'] = {torch_there}; {sandbox.PROGRAM}")
    with pytest.raises(I2IError) as caught:
        read_tensors(file)
    assert str(caught.value) == f"{file}: {reason}"


def test_a_process_that_cannot_be_started_is_reported(file, fresh_reader, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(I2IError) as caught:
        read_tensors(file)
    assert str(caught.value) == f"{file}: no process could be started to open it in: No such file or directory"


# what passes

UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def test_every_kind_of_number_views_and_shared_tensors_come_back(tmp_path):
    from i2i.foreign.kinds import NAMES

    tensors = {str(kind): torch.tensor([[0, 1, 1], [1, 0, 1]]).to(kind) for kind in NAMES}
    whole = torch.arange(12.0).view(3, 4)
    tensors |= {"part": whole[1:, ::2], "turned": whole.T, "again": whole, "one": torch.tensor(3.0)}
    tensors |= {"none": torch.empty(0, 3), "learning": torch.nn.Parameter(torch.ones(2))}
    for as_zip in (True, False):
        if not as_zip:  # which holds none of these
            tensors = {name: tensor for name, tensor in tensors.items() if tensor.dtype not in UNSIGNED}
        torch.save(tensors, tmp_path / "net.pth", _use_new_zipfile_serialization=as_zip)
        found = read_tensors(tmp_path / "net.pth")
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor.detach())


def test_a_symbolic_link_to_a_file_is_followed(file, tmp_path):
    (tmp_path / "link.pth").symlink_to(file)
    assert same(read_tensors(tmp_path / "link.pth"))


def test_a_network_of_a_hundred_megabytes_comes_back(tmp_path):
    large = {f"layer{place}.weight": torch.rand(1024, 1024, 5) for place in range(5)}
    torch.save(large, tmp_path / "net.pth")
    found = read_tensors(tmp_path / "net.pth")
    assert all(torch.equal(found[name], large[name]) for name in large)
