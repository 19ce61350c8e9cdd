"""Shards with wild members: nothing but the documented errors escapes, and what is read is read right."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from foreign import bioclip_texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import encoded

from clipbio.data.foreign.bioclip import BioclipLayout
from clipbio.data.foreign.clip_benchmark import ClipBenchmarkLayout, multi_hot
from clipbio.data.foreign.tars import walk_entries
from clipbio.data.manifest import ShardError
from clipbio.data.shards import resolve
from clipbio.data.sources import WebdatasetSource
from clipbio.errors import ClipbioError

T = TypeVar("T")
IMAGE = encoded(0)
RANKS = ("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "hudsonia")
SUFFIXES = (
    *bioclip_texts(RANKS),
    "jpg",
    "JPG",
    "png",
    "caption.txt",
    "txt",
    "json",
    "classes",
    "cls",
    "npy",
    "pkl",
    "",
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=140)
KEYS = st.one_of(st.sampled_from(["a", "b", "./c", "d/e", "../f", "/g", "._h", "i j", "é"]), NAMES)
CONTENTS = st.one_of(
    st.sampled_from([IMAGE, b"a photo of kingdom Animalia species hudsonia.", b"Pica", b"3", b"\xff\xfe", b""]),
    st.binary(max_size=700),
)
MEMBERS = st.tuples(KEYS, st.one_of(st.sampled_from(SUFFIXES), NAMES), CONTENTS)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 8 + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, b"Z"]
)
FORMATS = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def tar_of(members: list[tuple[str, str, bytes]], kinds: list[bytes], form: int) -> bytes:
    """Return a tar of files, links and folders in the given order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for (key, suffix, content), kind in zip(members, kinds, strict=False):
            info = tarfile.TarInfo(f"{key}.{suffix}")
            info.type, info.mtime, info.linkname = kind, 0.5, "x"
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def attempt(call: Callable[[], T]) -> tuple[str, T | None]:
    """Return the documented error of a call, or what it gives."""
    try:
        return "", call()
    except ClipbioError as error:
        return str(error), None


def used(data: bytes, benchmark: bool) -> None:
    """Read a shard in every way; only `ClipbioError` may come out."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "wds"
        (root / "test").mkdir(parents=True)
        (root / "test/0.tar").write_bytes(data)
        if benchmark:
            (root / "test/nshards.txt").write_text("1")
            (root / "classnames.txt").write_text("Pica pica\nPica hudsonia\n")
        source = WebdatasetSource(str(root))
        specimens = list(source)
        for one in specimens:
            assert callable(one.image)
            assert one.image()
            assert one.id
            assert one.id.isprintable()
        assert all("\n" not in str(finding) for finding in source.defects)
        told, opened = attempt(lambda: resolve(root, Path(folder) / "cache", progress=False, max_defect_share=1.0))
        assert "\n" not in told
        if opened is None:
            return
        index = opened.index("test")
        assert [index.read(row).id for row in range(len(index))] == [one.id for one in specimens]
        for row, one in enumerate(specimens):
            read = index.read(row, image=False)
            assert (read.taxon, read.label, read.descriptions) == (one.taxon, one.label, one.descriptions)
            assert callable(one.image)
            assert index.read(row).image == one.image()
        assert list(Path(folder).iterdir()) in ([root, Path(folder) / "cache"], [Path(folder) / "cache", root])


@QUICK
@given(st.lists(MEMBERS, max_size=12), st.lists(KINDS, min_size=12, max_size=12), FORMATS, st.booleans())
def test_wild_members(members: list[tuple[str, str, bytes]], kinds: list[bytes], form: int, benchmark: bool) -> None:
    good = [("good", "cls", b"1"), ("good", "jpg", IMAGE), ("good", "taxonTag.txt", b"a photo of genus Pica.")]
    used(tar_of(members + good, kinds[: len(members)] + [tarfile.REGTYPE] * 3, form), benchmark)


@QUICK
@given(st.permutations(SUFFIXES), st.integers(0, 40), st.one_of(st.none(), st.integers(0, 30_000)), st.booleans())
def test_orders_duplicates_and_cuts(order: list[str], count: int, cut: int | None, pax: bool) -> None:
    texts = bioclip_texts(RANKS)
    members = [(str(i % 3), name, texts.get(name, "").encode() or IMAGE) for i, name in enumerate(order[:count])]
    data = tar_of(members, [tarfile.REGTYPE] * count, tarfile.PAX_FORMAT if pax else tarfile.USTAR_FORMAT)
    used(data[:cut], False)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=20))
def test_changed_bytes(changes: list[tuple[int, int]]) -> None:
    members = [(key, name, text.encode()) for key in "ab" for name, text in bioclip_texts(RANKS).items()]
    members += [("b", "jpg", IMAGE), ("c", "jpg", IMAGE)]
    data = bytearray(tar_of(members, [tarfile.REGTYPE] * len(members), tarfile.PAX_FORMAT))
    for place, value in changes:
        data[place % len(data)] = value
    used(bytes(data), False)


@QUICK
@given(st.binary(max_size=2000))
def test_random_bytes(data: bytes) -> None:
    told, _ = attempt(lambda: list(walk_entries(lambda place, length: data[place : place + length], len(data))))
    assert "\n" not in told
    attempt(lambda: multi_hot(data))
    used(data, False)


@QUICK
@given(
    st.dictionaries(st.sampled_from(sorted({*SUFFIXES, "taxontag.txt"})), st.one_of(CONTENTS, NAMES.map(str.encode)))
)
def test_wild_records(members: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for layout in (BioclipLayout(), ClipBenchmarkLayout(Path(folder))):
            try:
                specimen = layout.specimen("key", members)
            except ShardError:
                continue
            assert "species" not in specimen.taxon.ranks
            assert all(specimen.common_names)
            assert all(specimen.descriptions)
