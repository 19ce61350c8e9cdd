"""Shards written in CLIP_benchmark's WebDataset layout, as its reader expects them."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clipbio.data import images
from clipbio.data.defects import Defects
from clipbio.data.foreign.clip_benchmark import CLASS_NAMES, DATASET_TYPE, TEMPLATES
from clipbio.data.foreign.folders import COUNT
from clipbio.data.images import BadImageError
from clipbio.data.index import ShardIndex
from clipbio.data.manifest import ShardError
from clipbio.data.shards import ShardFolder
from clipbio.data.specimen import Specimen
from clipbio.data.writer import ShardWriter
from clipbio.errors import ClipbioError, nearest
from clipbio.progress import progress_bar
from clipbio.taxonomy import Taxon
from clipbio.text import Unnameable, render, templates

__all__ = ["TASKS", "ClipBenchmarkExport"]

logger = logging.getLogger(__name__)

TASKS = ("classification", "retrieval")
_KEY = "s{:07d}"


@dataclass(kw_only=True)
class ClipBenchmarkExport:
    """Writes splits of a shard folder: images with the number of their class, or with their descriptions.

    Args:
        task: `classification` (`.cls`, with the files of class names and templates) or `retrieval` (`.txt`).
        class_names: Text type that names the classes, such as `scientific` or `common`; what lacks it falls back as in
            training, so that no class is empty.
        templates: Templates of the prompts, a set (`photo`) or a list; `{}` is written as `{c}`.
        splits: Splits to write; None writes all.
        image_format: `webp` re-encodes the images without loss; None copies their bytes.
        samples_per_shard: A tar is closed when it holds so many samples ...
        bytes_per_shard: ... or when the next one would make it larger than this.
    """

    task: str = "classification"
    class_names: str = "scientific"
    templates: str | Sequence[str] = "photo"
    splits: Sequence[str] | None = None
    image_format: str | None = None
    samples_per_shard: int = 10_000
    bytes_per_shard: int = 10**9
    defects: Defects = field(default_factory=Defects)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ClipbioError(f"task={self.task} is unknown{nearest(self.task, TASKS)}")
        if self.image_format not in (None, "webp"):
            raise ClipbioError(
                f"image_format={self.image_format}: only webp is written, or null for the bytes as they are"
            )
        for name in ("samples_per_shard", "bytes_per_shard"):
            if getattr(self, name) < 1:
                raise ClipbioError(f"{name}={getattr(self, name)} must be at least 1")
        self.prompts = [text.replace("{}", "{c}") for text in templates(self.templates)]

    def write(self, folder: ShardFolder, out: Path, *, progress: bool = True) -> dict[str, int]:
        """Write a new folder and return the number of samples of each split; what is unusable is in `defects`.

        Raises:
            ClipbioError: The folder is there already, or nothing could be written.
        """
        splits = list(self.splits or folder.splits)
        indices = {split: folder.index(split) for split in splits}
        numbers = self._numbers(indices) if self.task == "classification" else {}
        with _new(out) as partial, progress_bar(enabled=progress) as bar:
            task = bar.add_task("converting", total=sum(map(len, indices.values())))
            counts = {}
            for split, index in indices.items():
                counts[split] = self._write_split(partial / split, index, numbers, lambda: bar.advance(task))
            self._write_names(partial, numbers)
            if not sum(counts.values()):
                raise ClipbioError(f"{folder.name}: no sample can be written: {self.defects.summary()}")
        return counts

    def _numbers(self, indices: dict[str, ShardIndex]) -> dict[str, int]:
        """Return the number of each class name, in alphabetical order."""
        taxa: dict[str, set[Taxon]] = {}
        for index in indices.values():
            for row in range(len(index)):
                if name := self._class_name(index, row):
                    taxa.setdefault(name, set()).add(index.taxa[index.taxon_N[row]])
        shared = Counter({name: len(found) for name, found in taxa.items() if len(found) > 1})
        if shared:
            name, count = shared.most_common(1)[0]
            logger.warning(
                "%d class names stand for several taxa, '%s' for %d: one class each", len(shared), name, count
            )
        return {name: number for number, name in enumerate(sorted(taxa))}

    def _class_name(self, index: ShardIndex, row: int) -> str:
        try:
            return " ".join(render(index.read(row, image=False), self.class_names, template="{}").text.split())
        except (ShardError, Unnameable):
            return ""  # counted when it is written

    def _write_split(
        self, folder: Path, index: ShardIndex, numbers: dict[str, int], advance: Callable[[], None]
    ) -> int:
        folder.mkdir()
        writer = ShardWriter(folder, bytes_per_shard=self.bytes_per_shard)
        written = 0
        for row in range(len(index)):
            advance()
            if (members := self._members(index, row, numbers)) is None:
                continue
            if written - sum(shard.samples for shard in writer.written) == self.samples_per_shard:
                writer.close()
            writer.write(_KEY.format(written), members)
            written += 1
        writer.close()
        for number, shard in enumerate(writer.written):
            (folder / shard.name).rename(folder / f"{number}.tar")
        (folder / COUNT).write_text(f"{len(writer.written)}\n", "ascii")
        return written

    def _members(self, index: ShardIndex, row: int, numbers: dict[str, int]) -> dict[str, bytes] | None:
        where = f"specimen '{index.ids[row]}'"
        try:
            specimen = index.read(row)
            if not isinstance(specimen.image, bytes):
                raise BadImageError("missing_image", "it has no image")
            extension, data = self._image(specimen.image)
        except BadImageError as error:
            self.defects.add(error.kind, where, str(error))
            return None
        except ShardError as error:
            self.defects.add("damaged_shard", where, str(error))
            return None
        if self.task == "retrieval":
            return self._captioned(specimen, where, {extension: data})
        name = self._class_name(index, row)
        if not name:
            self.defects.add("unnamed", where, f"nothing names its class ({self.class_names})")
            return None
        return {extension: data, "cls": str(numbers[name]).encode()}

    def _captioned(self, specimen: Specimen, where: str, members: dict[str, bytes]) -> dict[str, bytes] | None:
        lines = [" ".join(text.split()) for text in specimen.descriptions]
        if not any(lines):
            self.defects.add("no_description", where, "retrieval needs a description")
            return None
        return members | {"txt": "\n".join(filter(None, lines)).encode()}

    def _image(self, data: bytes) -> tuple[str, bytes]:
        header = images.inspect(data)
        if self.image_format is None:
            if header.extension is None:
                raise BadImageError("unsupported_format", f"is a {header.format}: set to.image_format=webp")
            return header.extension, data
        if header.format == "WEBP":
            return "webp", data
        with images.decode(data) as picture:
            pixels = images.eight_bits(picture)
            pixels = pixels if pixels.mode in ("RGB", "RGBA") else pixels.convert("RGB")
            return "webp", images.encode(pixels, "WEBP", lossless=True, exif=picture.getexif())

    def _write_names(self, root: Path, numbers: dict[str, int]) -> None:
        if self.task == "retrieval":
            (root / DATASET_TYPE).write_text("retrieval\n", "ascii")
            return
        (root / CLASS_NAMES).write_text("".join(f"{name}\n" for name in numbers), "utf-8")
        (root / TEMPLATES).write_text("".join(f"{text}\n" for text in self.prompts), "utf-8")


@contextmanager
def _new(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place at the end, or vanishes after an exception."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ClipbioError(f"{out} is there already; give another out=")
    out = out.resolve()
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise ClipbioError(f"{out} cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
