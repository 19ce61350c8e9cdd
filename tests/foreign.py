"""Shards as other projects write them, made for the test that asks for them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tables import encoded

Members = Mapping[str, bytes | str]
PICA = ("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "hudsonia")
TAGS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


def write_tar(
    path: Path, samples: Iterable[tuple[str, Members]], *, mtime: float = 1690000000.25, pax: bool = True
) -> Path:
    """Write samples as webdataset's TarWriter does; a fractional time makes an extended header before each member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = tarfile.PAX_FORMAT if pax else tarfile.USTAR_FORMAT
    with tarfile.open(path, "w", format=form) as tar:
        for key, members in samples:
            for name in sorted(members):
                add(tar, f"{key}.{name}", members[name], mtime=mtime if pax else 0)
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes | str, *, mtime: float = 0) -> None:
    """Append a file to a tar."""
    data = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.uname, info.gname, info.mode = len(data), mtime, "bigdata", "bigdata", 0o444
    tar.addfile(info, io.BytesIO(data))


def bioclip_texts(ranks: Sequence[str], common: str = "") -> dict[str, str]:
    """Return the text members of a taxon, with BioCLIP's fallbacks of the common name."""
    taxonomic = " ".join(filter(None, ranks))
    scientific = " ".join(filter(None, ranks[5:]))
    tagged = " ".join(f"{tag} {name}" for tag, name in zip(TAGS, ranks, strict=True) if name)
    name = common or scientific or taxonomic
    return {
        "scientific_name.txt": scientific,
        "taxonomic_name.txt": taxonomic,
        "common_name.txt": name,
        "sci.txt": f"a photo of {scientific}.",
        "com.txt": f"a photo of {name}.",
        "taxon.txt": f"a photo of {taxonomic}.",
        "taxonTag.txt": f"a photo of {tagged}.",
        "sci_com.txt": f"a photo of {scientific} with common name {name}.",
        "taxon_com.txt": f"a photo of {taxonomic} with common name {name}.",
        "taxonTag_com.txt": f"a photo of {tagged} with common name {name}.",
    }


def bioclip_samples(count: int, *, first: int = 0, species: int = 4) -> list[tuple[str, Members]]:
    """Return samples of several species of one genus, with UUID-like keys."""
    samples: list[tuple[str, Members]] = []
    for number in range(first, first + count):
        epithet = ("hudsonia", "pica", "nuttalli", "bottanensis")[number % species]
        texts = bioclip_texts((*PICA[:6], epithet), f"magpie {number % species}")
        key = f"{number:08x}-0000-4000-8000-{number:012x}"
        samples.append((key, {"jpg": encoded(number), **texts}))
    return samples


def tree_of_life(root: Path, *, shards: int = 3, per_shard: int = 10, val: int = 6) -> Path:
    """Write shards below `224x224`, with the small copy of a part of train that BioCLIP's folders have."""
    for shard in range(shards):
        samples = bioclip_samples(per_shard, first=shard * per_shard)
        write_tar(root / f"224x224/train/shard-{shard:06d}.tar", samples)
    write_tar(root / "224x224/train_small/shard-000000.tar", bioclip_samples(4))
    write_tar(root / "224x224/val/shard-000000.tar", bioclip_samples(val, first=shards * per_shard))
    return root
