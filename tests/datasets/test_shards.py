"""Datasets whose pictures lie in archives, be it on this machine or behind URLs."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from i2i import BrokenPicture, I2IError, UsageError
from i2i.contracts import Dataset
from i2i.datasets import PairedOptions, PicturesOptions, UnpairedOptions
from i2i.datasets.finding import find
from i2i.datasets.paired import Paired
from i2i.datasets.pictures import Pictures
from i2i.datasets.unpaired import Unpaired
from i2i.images.limits import Limits
from i2i.training.batches import Batches, _collate, _EndlessSampler, _Positions
from i2i.training.runtime import Runtime


def paint(folder: Path, count: int) -> Path:
    """Pictures of noise in two folders."""
    rng = numpy.random.default_rng(count)
    for index in range(count):
        path = folder / "ab"[index % 2] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=numpy.uint8)).save(path)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths, key=Path.as_posix)}


def packed(members: Mapping[str, bytes], archive: Path) -> Path:
    """In the opposite of the order of their names, which is to make no difference."""
    names = sorted(members, reverse=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name in names:
                zipped.writestr(name, members[name])
        return archive
    with tarfile.open(archive, "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(members[name])
            tar.addfile(member, io.BytesIO(members[name]))
    return archive


def sharded(folder: Path, shards: int, suffix: str = "tar") -> str:
    """Its pictures in so many archives beside it; what they are called together."""
    files = sorted(files_of(folder).items())
    for number in range(shards):
        share = dict(files[number * len(files) // shards : (number + 1) * len(files) // shards])
        packed(share, folder.with_name(f"{folder.name}-{number:03}.{suffix}"))
    return str(folder.with_name(f"{folder.name}-{{000..{shards - 1:03}}}.{suffix}"))


def unpaired(source: str | Sequence[str], target: str | None = None, **options: Any) -> Unpaired:
    folders = {"source": source, "target": target or source}
    return Unpaired(UnpairedOptions(**{"resize": 9, "crop": 8, "validation": 0.2, **folders, **options}))


def load(dataset: Any, index: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return dataset.load(index, numpy.random.default_rng([seed, index]))


def same(one: Dataset, other: Dataset) -> bool:
    samples = [(load(one, index), load(other, index)) for index in range(len(one))]
    return len(one) == len(other) and all(torch.equal(a[key], b[key]) for a, b in samples for key in a)


def batches(dataset: Dataset, workers: int, steps: int = 6) -> list[torch.Tensor]:
    loading = Batches(dataset, Runtime.choose("cpu", "fp32"), seed=3, batch=4, workers=workers).from_step(2)
    found = [part.tensors["source"] for parts in islice(loading, steps) for part in parts]
    loading.close()
    return found


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


# what is found


@pytest.mark.parametrize("suffix", ["tar", "zip"])
@pytest.mark.parametrize("shards", [1, 3])
def test_shards_are_the_folder_that_they_were_packed_from(tmp_path: Path, suffix: str, shards: int) -> None:
    folder = paint(tmp_path / "photos", 20)
    inside, outside = unpaired(sharded(folder, shards, suffix)), unpaired(str(folder))
    assert same(inside, outside)
    assert inside.validation is not None
    assert outside.validation is not None
    assert same(inside.validation, outside.validation)


def test_folders_and_archives_of_both_kinds_are_one_domain(tmp_path: Path) -> None:
    files = files_of(paint(tmp_path / "all", 6))
    pictures = list(files)
    sources = [str(packed({pictures[0]: files[pictures[0]]}, tmp_path / "x.zip"))]
    sources += [str(tmp_path / "all" / "b"), str(packed({pictures[1]: files[pictures[1]]}, tmp_path / "x.TAR"))]
    found = find(sources)
    assert list(map(str, found.pictures)) == [
        f"{tmp_path}/x.zip/{pictures[0]}",
        *(f"{tmp_path}/all/{name}" for name in pictures[3:]),
        f"{tmp_path}/x.TAR/{pictures[1]}",
    ]
    assert list(found.states) == [sources[0], sources[2]]


def test_folders_in_an_archive_may_be_classes(tmp_path: Path) -> None:
    archives = sharded(paint(tmp_path / "zoo", 8), 2)
    dataset = Pictures(PicturesOptions(source=archives, classes=True, size=8, validation=0))
    assert dataset.classes == ("a", "b")
    assert dataset.describe()["classes"] == {"a": 4, "b": 4}


def test_pairs_of_one_archive_are_told_by_what_follows_their_key(tmp_path: Path) -> None:
    files = files_of(paint(tmp_path / "both", 6))
    contents = list(files.values())
    pairs = {f"{index:04}.{side}.png": contents[index] for index in range(6) for side in ("source", "target")}
    archive = str(packed({**pairs, "0000.json": b"{}"}, tmp_path / "pairs.tar"))
    dataset = Paired(
        PairedOptions(source=archive, target=archive, match=((".source", ".target"),), resize=9, crop=8, validation=0)
    )
    assert len(dataset) == 6
    for index in range(6):
        sample = load(dataset, index)
        assert torch.equal(sample["source"], sample["target"])
    names = [(path.name, dataset.partners[path].name) for path in dataset.pictures]
    assert names[5] == ("0005.source.png", "0005.target.png")


# any process


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_batches_do_not_depend_on_how_many_processes_read_the_shards(tmp_path: Path, suffix: str) -> None:
    dataset = unpaired(sharded(paint(tmp_path / "photos", 40), 3, suffix))
    alone = batches(dataset, 0)
    assert len({picture.sum().item() for batch in alone for picture in batch}) > 10
    for workers in (2, 4):
        assert all(map(torch.equal, alone, batches(dataset, workers)))


@pytest.mark.parametrize("kind", ["tar", "zip", "local://tar", "local://zip"])
def test_a_dataset_travels_to_a_process_that_is_spawned(tmp_path: Path, kind: str) -> None:
    archives = sharded(paint(tmp_path / "photos", 12), 2, kind[-3:])
    if "://" in kind:
        pytest.importorskip("upath")
        archives = f"local://{archives}"
    dataset = unpaired(archives)
    assert same(pickle.loads(pickle.dumps(dataset)), dataset)
    loader = DataLoader(
        _Positions(dataset, 3),
        batch_sampler=_EndlessSampler(iter([[8, 9, 10, 11], [12, 13, 14, 15]])),  # type: ignore[arg-type]
        num_workers=2,
        collate_fn=_collate,
        multiprocessing_context="spawn",
    )
    spawned = [tensors["source"].float() / 255 for tensors, _ in loader]
    assert all(map(torch.equal, spawned, batches(dataset, 0, steps=2)))


def test_a_connection_is_made_anew_after_a_fork(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    fsspec.register_implementation("distant", "distant.Distant", clobber=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        folder = paint(tmp_path / "photos", 12)
        archives = sharded(folder, 2)
        for source in (f"distant://{archives}", f"distant://{folder}"):
            dataset = unpaired(source)
            assert same(dataset, unpaired(str(folder)))
            assert all(map(torch.equal, batches(dataset, 0), batches(dataset, 2)))


# what goes wrong


@pytest.mark.parametrize(("left", "why"), [(3700, "unexpected end of data"), (3200, "no member's header at byte 3072")])
def test_a_truncated_shard_is_named(tmp_path: Path, left: int, why: str) -> None:
    sharded(paint(tmp_path / "photos", 4), 1)
    archive = tmp_path / "photos-000.tar"
    archive.write_bytes(archive.read_bytes()[:left])
    with pytest.raises(I2IError) as caught:
        unpaired(str(archive))
    assert str(caught.value) == f"{archive}: cannot be read as an archive ({why})"


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_a_shard_that_vanishes_or_changes_ends_the_run_and_names_shard_and_member(tmp_path: Path, suffix: str) -> None:
    dataset = unpaired(sharded(paint(tmp_path / "photos", 4), 1, suffix), validation=0)
    archive = tmp_path / f"photos-000.{suffix}"
    place, before = f"{archive}/a/000.png", archive.read_bytes()
    archive.unlink()
    assert refusal(dataset) == f"{place}: cannot be read (no such file or folder)"
    archive.write_bytes(before[:2000])
    assert refusal(dataset) == f"{place}: cannot be read ({archive} has changed since its members were listed)"
    with pytest.raises(I2IError, match=r"photos-000\.\w+/[ab]/00\d\.png: cannot be read \("):
        batches(dataset, 2)


def refusal(dataset: Dataset) -> str:
    """Not that of a broken picture, which would be passed over."""
    with pytest.raises(I2IError) as caught:
        load(dataset, 0)
    assert not isinstance(caught.value, BrokenPicture)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_a_damaged_member_is_a_broken_picture_like_any_other(tmp_path: Path, suffix: str) -> None:
    files = files_of(paint(tmp_path / "photos", 4))
    files["a/000.png"] = files["a/000.png"][:-100]
    files["a/broken.png"] = b"hello"
    dataset = unpaired(str(packed(files, tmp_path / f"x.{suffix}")), validation=0)
    (domain, _) = dataset.domains
    assert [str(broken) for broken in domain.broken] == [
        f"{tmp_path}/x.{suffix}/a/broken.png: not a picture that Pillow can read (found text)"
    ]
    with pytest.raises(BrokenPicture, match=rf"^{tmp_path}/x\.{suffix}/a/000\.png: truncated$"):
        load(dataset, 0)
    assert all(map(torch.equal, batches(dataset, 0), batches(dataset, 2)))


def test_zipped_bytes_that_do_not_match_their_checksum_are_a_broken_picture(tmp_path: Path) -> None:
    files = files_of(paint(tmp_path / "photos", 2))
    archive = packed(files, tmp_path / "x.zip")
    contents = bytearray(archive.read_bytes())
    contents[len(contents) // 4] ^= 255
    archive.write_bytes(contents)
    dataset = unpaired(str(archive), validation=0)
    assert [broken.path for broken in dataset.domains[0].broken] == [tmp_path / "x.zip/b/001.png"]


def test_limits_hold_for_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = unpaired(sharded(paint(tmp_path / "photos", 2), 1), validation=0)
    monkeypatch.setattr("i2i.datasets.shards.LIMITS", Limits(file_bytes=100))
    with pytest.raises(BrokenPicture, match=r"photos-000\.tar/a/000\.png: too large: a file of .*; files of up to 100"):
        load(dataset, 0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gone.tar", "gone.tar: no such file or folder"),
        ("gone-{0..1}.zip", "gone-0.zip: no such file or folder"),
        ("photos.tar.gz", "cannot be read picture by picture; unpack it, or make a .tar or .zip of it"),
    ],
)
def test_an_archive_that_cannot_be_had_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        unpaired(str(tmp_path / source))
    assert str(caught.value).endswith(message)


# what is told


def test_changed_shards_are_told_and_moved_ones_are_not(tmp_path: Path) -> None:
    folder = paint(tmp_path / "photos", 6)
    assert "archives and lists" not in str(unpaired(str(folder)).describe())
    archives = sharded(folder, 2)
    found = unpaired(archives).describe()
    assert str(found["source"]["archives and lists"]).startswith("2 (sizes and times: ")  # type: ignore[index]
    assert unpaired(archives).describe() == found
    (tmp_path / "elsewhere").mkdir()
    for path in tmp_path.glob("*.tar"):
        path.rename(tmp_path / "elsewhere" / path.name)
    moved = str(tmp_path / "elsewhere" / Path(archives).name)
    assert unpaired(moved).describe() == found
    changed = tmp_path / "elsewhere" / "photos-001.tar"
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    assert unpaired(moved).describe() != found


# URLs


def test_shards_and_folders_behind_urls_are_read_as_those_of_this_machine(tmp_path: Path, memory: Any) -> None:
    folder = paint(tmp_path / "photos", 10)
    archives = sharded(folder, 2)
    for path in tmp_path.glob("*.tar"):
        memory.pipe(f"/bucket/{path.name}", path.read_bytes())
    for name, contents in files_of(folder).items():
        memory.pipe(f"/bucket/photos/{name}", contents)
    here = unpaired(str(folder))
    for source in (f"memory://bucket/{Path(archives).name}", "memory://bucket/photos"):
        there = unpaired(source)
        assert same(there, here)
        assert all(map(torch.equal, batches(there, 0), batches(here, 2)))
    found = unpaired(f"memory://bucket/{Path(archives).name}").describe()
    memory.pipe("/bucket/photos-000.tar", memory.cat("/bucket/photos-000.tar"))
    assert unpaired(f"memory://bucket/{Path(archives).name}").describe() != found


def test_a_url_that_cannot_be_reached_ends_the_run_and_is_named(
    tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sharded(paint(tmp_path / "photos", 4), 1)
    contents = (tmp_path / "photos-000.tar").read_bytes()
    memory.pipe("/bucket/x.tar", contents)
    memory.pipe("/bucket/lone/x.png", files_of(tmp_path / "photos")["a/000.png"])
    shards, lone = unpaired("memory://bucket/x.tar", validation=0), unpaired("memory://bucket/lone", validation=0)
    memory.pipe("/bucket/x.tar", contents[:700])
    changed = "memory://bucket/x.tar has changed since its members were listed"
    assert refusal(shards) == f"memory://bucket/x.tar/a/000.png: cannot be read ({changed})"
    memory.rm("/bucket/x.tar")
    assert refusal(shards) == "memory://bucket/x.tar/a/000.png: cannot be read (no such file or folder)"

    def refuse(*_: object, **__: object) -> bytes:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(type(memory), "cat_file", refuse)
    assert refusal(lone) == "memory://bucket/lone/x.png: cannot be read (name or service not known)"
    assert refusal(shards) == "memory://bucket/x.tar/a/000.png: cannot be read (name or service not known)"


def test_a_picture_that_has_gone_from_its_url_is_broken_like_a_file_that_has(memory: Any, tmp_path: Path) -> None:
    contents = files_of(paint(tmp_path / "photos", 1))["a/000.png"]
    memory.pipe("/bucket/x.png", contents)
    dataset = unpaired("memory://bucket/x.png", validation=0)
    memory.rm("/bucket/x.png")
    with pytest.raises(BrokenPicture, match=r"^memory://bucket/x\.png: no such file or folder$"):
        load(dataset, 0)


@pytest.mark.parametrize("source", ["memory://bucket", "memory://bucket/gone.tar"])
def test_a_url_that_holds_nothing_is_refused(memory: Any, source: str) -> None:
    with pytest.raises(UsageError, match=f"^{source}: no such file or folder$"):
        unpaired(source)
