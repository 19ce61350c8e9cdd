"""The pictures of docs/regimes.md, out of the virtual herbarium: python docs/pictures/regimes.py docs/images."""

from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from clipbio.config import compose, instantiate
from clipbio.data.sources import VirtualSource
from clipbio.data.specimen import Specimen
from clipbio.losses.labels import LabelTable
from clipbio.losses.targets import TARGETS, relation
from clipbio.seeding import derive_seed
from clipbio.text import TextRegime

REGIMES = ("common", "scientific", "scientific_common", "taxonomic", "taxonomic_tagged", "taxonomic_common")
REGIMES += ("description", "traits")
GREEN, GREY = "#00796b", "#555555"


def flora() -> list[Specimen]:
    """Return a small flora, each specimen with the descriptions of its species."""
    source = VirtualSource(12, 2, specimens_per_species=4, image_size=320, label="none")
    texts: dict[str, list[str]] = {}
    for text in source.species_texts():
        texts.setdefault(text.scientific_name, []).append(text.text)
    return [replace(one, descriptions=tuple(texts[one.species])) for one in source]


def regime(name: str) -> TextRegime:
    """Return a regime of conf/text."""
    return instantiate(compose("train", [f"text={name}"])["text"])


def one_specimen(plants: Sequence[Specimen]) -> Figure:
    """Draw a sheet, and beside it what each regime says of it."""
    figure = plt.figure(figsize=(10, 4.6))
    plant = plants[0]
    axes = figure.add_axes((0.0, 0.02, 0.40, 0.96))
    show(axes, plant)
    for place, name in enumerate(REGIMES):
        text = regime(name).draw(plant, sample_seed=3, batch_seed=3).text
        top = 0.97 - place * 0.122
        figure.text(0.42, top, name, family="monospace", weight="bold", color=GREEN, size=9.5, va="top")
        figure.text(0.57, top, "\n".join(textwrap.wrap(text, 58)), size=9, va="top")
    return figure


def batches(plants: Sequence[Specimen]) -> Figure:
    """Draw six specimens of a batch, and what they are called under three regimes."""
    row = [plants[place] for place in (0, 1, 4, 8, 16, 28)]
    figure, panels = plt.subplots(1, len(row), figsize=(10, 4.6))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.54, wspace=0.04)
    for axes, plant in zip(panels, row, strict=True):
        show(axes, plant)
        axes.set_title(plant.species, size=8.5, style="italic")
    for line, (name, seed) in enumerate((("taxonomic", 0), ("mixed", 1), ("mixed_bioclip", 4))):
        top = 0.51 - line * 0.17
        how = "drawn for the whole batch" if regime(name).draw_per == "batch" else "drawn for each specimen"
        figure.text(0.01, top, f"text={name}", family="monospace", weight="bold", color=GREEN, size=9.5, va="top")
        figure.text(0.24, top, how, size=9, color=GREY, va="top")
        for place, plant in enumerate(row):
            text = regime(name).draw(plant, sample_seed=derive_seed(seed, place), batch_seed=seed).text
            figure.text(0.01 + place * 0.165, top - 0.035, "\n".join(textwrap.wrap(text, 27)), size=7.2, va="top")
    return figure


def positives(plants: Sequence[Specimen]) -> Figure:
    """Draw who is a positive of whom in a batch of eight, for each kind of targets."""
    row = [plants[place] for place in (0, 1, 4, 5, 8, 16, 17, 28)]
    mixed = regime("mixed")
    texts = [mixed.draw(plant, sample_seed=derive_seed(2, place), batch_seed=0).text for place, plant in enumerate(row)]
    everyone = torch.ones(len(row), dtype=torch.bool)
    labels = {
        "taxon_BR": torch.tensor([plant.taxon.rank_keys for plant in row]),
        "bin_B": torch.full((len(row),), -1),
        "text_B": torch.tensor([derive_seed(text) for text in texts]),
    }
    table = LabelTable.gather(labels, {"image": everyone, "text": everyone})
    names = [f"{plant.taxon.genus[:4]}. {plant.taxon.species}" for plant in row]
    figure, panels = plt.subplots(1, len(TARGETS), figsize=(10, 2.6), sharey=True)
    figure.subplots_adjust(left=0.14, right=0.99, top=0.94, bottom=0.0, wspace=0.06)
    for axes, targets in zip(panels, TARGETS, strict=True):
        related = relation(table, table.pair("image", "text"), targets, rank_decay=0.3)
        axes.imshow(related(slice(None)).positive_cM, cmap="YlGn", vmin=0, vmax=1)
        axes.set_title(f"loss.targets={targets}", size=9, family="monospace", color=GREEN)
        axes.set_xticks([])
        axes.set_yticks(range(len(names)), names, size=8.5, style="italic")
    return figure


def show(axes: plt.Axes, plant: Specimen) -> None:
    """Draw a sheet."""
    assert isinstance(plant.image, bytes)
    axes.imshow(Image.open(io.BytesIO(plant.image)))
    axes.set_axis_off()


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    mpl.use("Agg")
    plants = flora()
    for name, draw in (("regimes", one_specimen), ("regimes_batch", batches), ("regimes_positives", positives)):
        figure = draw(plants)
        figure.savefig(folder / f"{name}.png", dpi=160)
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
