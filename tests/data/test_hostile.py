"""Data that means harm: refused or counted with a line that says so, and nothing is written or run."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from foreign import PICA, add, bioclip_samples, bioclip_texts, write_tar
from tables import MakeTable, encoded, rows_of

from clipbio.checking.check import check
from clipbio.cli import main
from clipbio.data.batch import UNUSABLE, one_line
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardError, ShardFolder, resolve
from clipbio.data.sources import TableSource, WebdatasetSource
from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError
from clipbio.models.trunks import ImageSpec

SPEC = ImageSpec(size=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)
Add = Callable[[tarfile.TarFile], None]


def bomb(width: int = 20_000, height: int = 20_000, image_format: str = "PNG") -> bytes:
    """Return a small file that unfolds to 400 million pixels."""
    if image_format == "JPEG":
        data = encoded(0, size=(16, 16))
        place = data.index(b"\xff\xc0") + 5
        return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(9)
    packed = packer.compress(bytes(10 * (width + 1))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("unpickled"),)  # type: ignore[return-value]


def hostile_tar(path: Path, harm: Add) -> Path:
    """Write 30 samples and, in a sample of its own, something harmful."""
    write_tar(path, bioclip_samples(30))
    with tarfile.open(path, "a") as tar:
        harm(tar)
    return path


def named(name: str, content: bytes | str = b"x") -> Add:
    return lambda tar: add(tar, name, content)


def special(name: str, kind: bytes, target: str = "/etc/passwd") -> Add:
    def write(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)

    return write


def everything_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize(
    ("harm", "kind", "message"),
    [
        (named("../../evil.jpg"), "unsafe_member", "leads out of the folder"),
        (named("a/../../evil.jpg"), "unsafe_member", "leads out of the folder"),
        (named("..\\..\\evil.jpg"), "unsafe_member", "leads out of the folder"),
        (named("/etc/evil.jpg"), "unsafe_member", "leads out of the folder"),
        (named("../../evil"), "unsafe_member", "leads out of the folder"),
        (special("link.jpg", tarfile.SYMTYPE), "unsafe_member", "is a link or a device"),
        (special("hard.jpg", tarfile.LNKTYPE), "unsafe_member", "is a link or a device"),
        (special("device.jpg", tarfile.CHRTYPE), "unsafe_member", "is a link or a device"),
        (special("pipe", tarfile.FIFOTYPE), "unsafe_member", "is a link or a device"),
        (named("line\nbreak.jpg"), "unsafe_member", "has a name that cannot be printed"),
        (named("evil.pkl", pickle.dumps(Evil())), "pickled_member", "never read"),
        (named("evil.pyd", pickle.dumps(Evil())), "pickled_member", "pickled, which can run anything"),
        (named("evil.weights.pth", b"x"), "pickled_member", "'.weights.pth' is pickled"),
    ],
)
def test_a_harmful_member_is_refused(
    harm: Add, kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep/work").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/work")
    hostile_tar(tmp_path / "deep/work/wds/a.tar", harm)
    source = WebdatasetSource("wds")
    assert len(list(source)) == 30
    assert source.defects.counts == {kind: 1}
    assert message in str(source.defects.of(kind)[0])
    assert "\n" not in str(source.defects.of(kind)[0])
    before = everything_below(tmp_path)
    assert check("wds", decode=False).findings.counts[kind] == 1
    folder = resolve("wds", "cache", progress=False)
    assert folder.manifest.defects[kind]["count"] == 1
    prepare(source, "shards", progress=False)
    written = everything_below(tmp_path) - before
    assert all(path.startswith(("deep/work/cache", "deep/work/shards")) for path in written)


def test_a_pickle_beside_an_image_costs_the_sample(tmp_path: Path) -> None:
    samples = [*bioclip_samples(30), ("evil", {"jpg": encoded(1), "PKL": pickle.dumps(Evil()), **bioclip_texts(PICA)})]
    write_tar(tmp_path / "wds/a.tar", samples)
    source = WebdatasetSource(str(tmp_path / "wds"))
    assert "evil" not in {one.id for one in source}
    assert source.defects.counts == {"pickled_member": 1}


def claiming(path: Path, member: str, size: int) -> None:
    """Change the size that the header of a member claims."""
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        info = tar.getmember(member)
        at, info.size = info.offset_data - 512, size
    info.pax_headers = {}
    data[at : at + 512] = info.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(data)


@pytest.mark.parametrize("size", [200 * 2**20, 2**33, 2**62])
def test_a_size_beyond_the_tar_is_damage(size: int, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "wds/a.tar", bioclip_samples(3), pax=False)
    claiming(path, f"{bioclip_samples(3)[2][0]}.jpg", size)
    with pytest.raises(ShardError, match=r"a\.tar: .*\.jpg' ends at byte \d+ of \d+: the tar is cut off"):
        resolve(tmp_path / "wds", tmp_path / "cache", progress=False)


def test_an_extended_header_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "wds/a.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.jpg")
        info.pax_headers = {"comment": "x" * 2**20}
        tar.addfile(info)
    with pytest.raises(ShardError, match=r"the extended header at byte 0 claims 10\d+ bytes"):
        resolve(tmp_path / "wds", tmp_path / "cache", progress=False)


def test_a_text_of_200_mb_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = b" " * (200 * 2**20)
    samples = [*bioclip_samples(30), ("large", {"jpg": encoded(1), "json": large, "caption.txt": large})]
    write_tar(tmp_path / "wds/a.tar", samples)
    source = WebdatasetSource(str(tmp_path / "wds"))
    assert len(list(source)) == 30
    assert str(source.defects.of("too_large")[0]) == (
        "a.tar key 'large': '.caption.txt' has 209715200 bytes, more than 1048576"
    )


def test_a_record_of_200_mb_is_refused_in_shards_too(make_table: MakeTable, tmp_path: Path) -> None:
    """A shard folder whose index and manifest were made to fit, as somebody would who wants it read."""
    folder = resolve(make_table(rows_of(3)), tmp_path / "cache", samples_per_shard=10, progress=False)
    index = folder.index("train")
    path = folder.root / index.shards[0].path
    with tarfile.open(path) as tar:
        members = [(info.name, tar.extractfile(info)) for info in tar]
        contents = [(name, file.read()) for name, file in members if file is not None]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in contents:
            padding = b" " * (200 * 2**20) if name == contents[-1][0] else b""
            add(tar, name, data + padding if name.endswith("json") else data)
    with tarfile.open(path) as tar:
        last = [info for info in tar if info.name.startswith(contents[-1][0].partition(".")[0])]
    index.offset_N = index.offset_N.copy()
    index.length_N = index.length_N.copy()
    index.offset_N[2] = last[0].offset
    index.length_N[2] = last[-1].offset_data + (-(-last[-1].size // 512) * 512) - last[0].offset
    for image in (True, False):
        with pytest.raises(ShardError, match=r"\.json' claims 2097\d+ bytes, more than 16777216"):
            index.read(2, image=image)
    report = check(folder.root)
    assert "more than 16777216: it is not read" in str(report.findings.of("too_large")[0])


def test_compressed_shards_are_not_unpacked(tmp_path: Path) -> None:
    # At this second the first block of the packed zeros has, summed as signed bytes, the checksum of a tar header.
    packed = {
        "a": gzip.compress(bytes(10 * 2**20), mtime=1795029887),
        "b": b"BZh9",
        "c": b"\xfd7zXZ\x00",
        "d": b"(\xb5/\xfd",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10 * 2**20))
    packed["e"] = buffer.getvalue()
    for (name, data), told in zip(packed.items(), ("gzip", "bzip2", "xz", "zstd", "zip"), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tar").write_bytes(data)
        with pytest.raises(ShardError, match=rf"a\.tar: it is compressed \({told}\): .* decompress it first"):
            resolve(tmp_path / name, tmp_path / "cache", progress=False)
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz/a.tar.gz").write_bytes(packed["a"])
    with pytest.raises(ClipbioError, match="neither a shard folder"):
        resolve(tmp_path / "gz", tmp_path / "cache", progress=False)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_an_image_bomb_is_a_defect(
    image_format: str, make_table: MakeTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = bomb(image_format=image_format)
    assert len(data) < 10_000
    table = make_table(rows_of(20))
    (table / "images/7.jpg").write_bytes(data)
    source = TableSource(table)
    prepare(source, tmp_path / "shards", progress=False)
    assert source.defects.counts == {"too_many_pixels": 1}
    assert "'bird-7'" in str(source.defects.of("too_many_pixels")[0])
    report = check(table)
    assert report.findings.counts["too_many_pixels"] == 1
    for decoder in ("fast", "pillow"):
        with pytest.raises(UNUSABLE) as caught:
            ImageTransform(SPEC, decoder=decoder)(data)
        assert "400000000 pixels" in one_line(caught.value) or "20000 x 20000 pixels" in one_line(caught.value)


def test_an_image_bomb_in_foreign_shards_is_skipped_in_training(tmp_path: Path) -> None:
    samples = [(key, {**members, "jpg": bomb()} if i == 2 else members) for i, (key, members) in
               enumerate(bioclip_samples(4))]  # fmt: skip
    write_tar(tmp_path / "wds/a.tar", samples)
    index = resolve(tmp_path / "wds", tmp_path / "cache", progress=False).index("train")
    image = index.read(2).image
    assert isinstance(image, bytes)
    with pytest.raises(UNUSABLE, match=r"400000000 pixels|20000 x 20000"):
        ImageTransform(SPEC)(image)
    source = WebdatasetSource(str(tmp_path / "wds"))
    prepare(source, tmp_path / "shards", progress=False, max_defect_share=0.5)
    assert source.defects.counts == {"too_many_pixels": 1}


@pytest.mark.parametrize(
    "command",
    [
        ["check", "root={}"],
        ["prepare", "source=table", "source.root={}", "out=out"],
        ["prepare", "source=webdataset", "source.root={}", "out=out"],
        ["prepare", "source=webdataset", "source.root=data", "out={}"],
        ["prepare", "sources={{a: {{format: folder, root: '{}'}}}}", "out=out"],
        ["convert", "root={}", "out=out"],
        ["convert", "root=data", "out={}"],
        ["train", "data=table", "data.root={}", "run_dir=run"],
        ["lint", "data=table", "data.root={}"],
    ],
)
@pytest.mark.parametrize("url", ["pipe:touch ran", "PIPE:touch ran"])
def test_a_pipe_is_never_run(
    command: list[str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tar(tmp_path / "data/a.tar", bioclip_samples(2))
    verb, *overrides = command
    assert main([verb, *(one.format(f"'{url}'" if one.endswith("={}") else url) for one in overrides)]) != 0
    told = capsys.readouterr().err.strip().splitlines()
    assert "pipe: URLs are refused, they run a program" in told[-1]
    assert not (tmp_path / "ran").exists()


def test_a_manifest_cannot_point_outside(make_table: MakeTable, tmp_path: Path) -> None:
    folder = resolve(make_table(rows_of(2)), tmp_path / "cache", progress=False)
    told = json.loads((folder.root / "manifest.json").read_text())
    for path in ("../../evil.tar", "/etc/evil.tar", "pipe:cat.tar/../../x.tar"):
        told["shards"][0]["path"] = path
        (folder.root / "manifest.json").write_text(json.dumps(told))
        with pytest.raises(ShardError, match="is not the path of a tar inside the folder"):
            ShardFolder.open(folder.root)
