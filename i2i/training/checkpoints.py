"""Checkpoints: complete or not there at all, and known to be intact when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Weights
from i2i.errors import I2IError
from i2i.training.layout import STATE, STEP, TRAINING, WEIGHTS, checkpoints_in, name_of


def save_checkpoint(
    folder: Path,
    step: int,
    weights: Weights,
    state: dict[str, Any],
    keep: int,
    keep_every: int | None = None,
    protected: Collection[int] = (),
) -> Path:
    """Write `folder/step-…`, complete or not at all; then remove all but the newest `keep`.

    Those of steps that `keep_every` divides, or that are `protected`, stay as well.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tree, tensors = pack(state)
    final = folder / name_of(step)
    draft = folder / f".{final.name}.{os.getpid()}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        weights.save(draft / WEIGHTS)
        save_file(tensors, draft / TRAINING)
        hashes = {name: _sha256(draft / name) for name in (WEIGHTS, TRAINING)}
        (draft / STATE).write_text(
            json.dumps(_sealed({"step": step, "files": hashes, "state": tree})), encoding="utf-8"
        )
        for name in (WEIGHTS, TRAINING, STATE):
            (draft / name).chmod((draft / STATE).stat().st_mode)  # as the umask has it
            _flush(draft / name)
        _flush(draft)
        if final.exists():  # a damaged one of the same step: the run went on from one before it
            shutil.rmtree(final)
        draft.rename(final)
        _flush(folder)
    except (OSError, SafetensorError) as error:
        raise I2IError(f"{final}: checkpoint not written ({error}); what was saved before is intact") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    prune(folder, step, keep, keep_every, protected)
    return final


def prune(folder: Path, step: int, keep: int, keep_every: int | None, protected: Collection[int] = ()) -> None:
    """Keep the newest up to `step`; what is newer was damaged when the run went on from an older one."""
    found = checkpoints_in(folder)
    newest = sorted((there for there in found if there <= step), reverse=True)[:keep]
    for there, path in found.items():
        is_kept_for_good = keep_every is not None and there % keep_every == 0
        if there > step or not (there in newest or there in protected or is_kept_for_good):
            shutil.rmtree(path, ignore_errors=True)
    for draft in folder.glob(f".{STEP}*"):
        shutil.rmtree(draft, ignore_errors=True)


def newest_checkpoint(
    folder: Path, say: Callable[[str], None] = lambda text: None, before: int | None = None
) -> Path | None:
    """The newest intact checkpoint; damaged ones are passed over, each said in one line.

    One of before a step, where there is one.
    """
    found = checkpoints_in(folder)
    older = [path for step, path in found.items() if before is not None and step < before]
    newer = [path for path in found.values() if path not in older]
    for path in [*reversed(older), *reversed(newer)]:
        if problem := damage(path):
            say(f"{path}: {problem}; trying the one before")
        else:
            return path
    return None


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        text = (path / STATE).read_text(encoding="utf-8")
        content = json.loads(text)
        sealed = _sealed({key: value for key, value in content.items() if key != "sha256"})
        if content != sealed or text != json.dumps(sealed):
            return f"{STATE} was altered"
        for name, expected in content["files"].items():
            if _sha256(path / name) != expected:
                return f"{name} was altered"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return f"cannot be read ({error})"
    return None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `save_checkpoint` was given. Raises `I2IError` where there is none, whatever the hashes say."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tree = json.loads((path / STATE).read_text(encoding="utf-8"))["state"]
    try:
        tensors = load_file(path / TRAINING)
    except SafetensorError as error:
        raise I2IError(f"{path / TRAINING}: not a readable safetensors file ({error})") from error
    state = unpack(tree, tensors)
    if not isinstance(state, dict):
        raise I2IError(f"{path / STATE}: holds no training state")
    return state


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Nested dicts, lists, tuples, numbers, strings and tensors as (what JSON can hold, tensors by name)."""
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, at: str) -> Any:
        if isinstance(value, Tensor):
            if at in tensors:
                raise I2IError(f"training state {at}: two tensors of this name")
            tensors[at] = value.detach().cpu().contiguous().clone()
            return {"$tensor": at}
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: walk(item, f"{at}/{key}") for key, item in value.items()}
            return {"$items": [[walk(key, at), walk(item, f"{at}/{key}")] for key, item in value.items()]}
        if isinstance(value, tuple):
            return {"$tuple": [walk(item, f"{at}/{index}") for index, item in enumerate(value)]}
        if isinstance(value, list):
            return [walk(item, f"{at}/{index}") for index, item in enumerate(value)]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise I2IError(f"training state {at}: a {type(value).__name__} cannot be saved (tensors, numbers, strings can)")

    return walk(state, ""), tensors


def unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `pack`."""
    if isinstance(tree, list):
        return [unpack(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$tensor" in tree:
        return tensors[tree["$tensor"]]
    if "$tuple" in tree:
        return tuple(unpack(item, tensors) for item in tree["$tuple"])
    if "$items" in tree:
        return {unpack(key, tensors): unpack(item, tensors) for key, item in tree["$items"]}
    return {key: unpack(item, tensors) for key, item in tree.items()}


def identical(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same state, bit for bit."""
    (tree, tensors), (tree_, tensors_) = pack(load_checkpoint(one)), pack(load_checkpoint(other))
    return tree == tree_ and all(torch.equal(tensors[key], tensors_[key]) for key in tensors)


def _sealed(content: dict[str, Any]) -> dict[str, Any]:
    """With its own hash, computed with that field empty."""
    text = json.dumps({**content, "sha256": ""}, sort_keys=True)
    return {**content, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Make a file or a folder survive a power cut."""
    windows = os.name == "nt"
    if windows and path.is_dir():  # it has no such call for folders, and wants a file opened for writing
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
