"""The arms of the study of DNA as a training partner: what differs between them, and what does not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARMS", "REFERENCE", "VARIANTS", "Arm", "Size", "overrides"]


@dataclass(frozen=True)
class Arm:
    """Which modalities are trained together, and how good the barcodes are."""

    pairs: tuple[str, ...]
    barcodes: str

    @property
    def variants(self) -> tuple[str, ...]:
        """Name what image queries are compared with: every modality that this arm trains together with images."""
        trained = {name for pair in self.pairs for name in pair.split("-")}
        return tuple(variant for variant in VARIANTS if variant.removeprefix("image_to_") in trained)


@dataclass(frozen=True)
class Size:
    """The size of flora and run; the defaults are those of the study."""

    species: int = 200
    unseen: int = 80
    specimens: int = 16
    batch_size: int = 128
    steps: int = 200


VARIANTS = ("image_to_image", "image_to_dna", "image_to_text")
REFERENCE = "image_text"
_ALL = ("image-text", "image-dna", "dna-text")
ARMS = {
    REFERENCE: Arm(("image-text",), "none"),
    **{f"image_dna_text/{barcodes}": Arm(_ALL, barcodes) for barcodes in ("clean", "typical", "noisy")},
    "image_dna/typical": Arm(("image-dna",), "typical"),
}
_KEYS = 3


def overrides(arm: Arm, size: Size, seed: int) -> list[str]:
    """Return the overrides of a run. A seed stands for a flora, its sheets, the weights and the order of the samples.

    The arms differ in barcodes, in the DNA tower and in the pairs of the loss, whose weights are all 1. The last state
    of a run is judged: no arm chooses among checkpoints.
    """
    return [
        "data=virtual",
        f"data.source.num_species={size.species}",
        f"data.source.num_unseen={size.unseen}",
        f"data.source.specimens_per_species={size.specimens}",
        "data.source.image_size=96",
        f"data.source.num_keys={_KEYS}",
        f"data.source.barcodes={arm.barcodes}",
        f"data.source.seed={seed}",
        f"seed={seed}",
        f"data.batch_size={size.batch_size}",
        "data.num_workers=0",
        "text=taxonomic",
        # Half as wide as the model has it: a quarter of the work.
        *(["model=tiny"] if arm.barcodes == "none" else ["model=trimodal_tiny", "model.dna.width=64"]),
        *(f"+loss.pairs.{pair}=1.0" for pair in arm.pairs if pair != "image-text"),
        *([] if "image-text" in arm.pairs else ["~loss.pairs.image-text"]),
        "optim.lr=1e-3",
        "optim.warmup=10 percent",
        "optim.weight_decay=0.1",
        "augmentation.scale=[0.8,1.0]",
        "augmentation.ratio=[1.0,1.0]",
        "augmentation.flip=0.5",
        f"duration={size.steps} steps",
        "validation.splits=[]",
        "validation.benchmarks=[]",
        "evaluate_splits=[]",
        "benchmark=[key_query]",
        "benchmark.key_query.queries=[image]",
        "benchmark.key_query.keys=[image,dna,text]",
        "benchmark.key_query.ranks=[species]",
        "benchmark.key_query.ks=[1]",
        "benchmark.key_query.bootstrap=0",
        "checkpoint.every=100 percent",
        "monitors=null",
        "logger=none",
        "leakage=off",
        "progress=false",
    ]
