"""Cross-entropy over taxa: the baselines that contrastive training on the tree of life is compared with.

A classifier knows the taxa of the train split and no others, and its embeddings know no text. In BioCLIP's comparison
of objectives (Stevens et al. 2024, https://arxiv.org/abs/2311.18803) both forms lose to the contrastive one.

Shape suffixes: b own rows, N specimens, R ranks, C classes, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.distributed import world_size
from clipbio.errors import ClipbioError, nearest
from clipbio.losses.gather import gather_labels
from clipbio.losses.head import Head, HeadOutput
from clipbio.taxonomy import RANKS

__all__ = ["RankClassifier", "TaxonClassifier"]


class RankClassifier(nn.Module):
    """A linear classifier over the taxa of one rank, which starts at zero: every class is as likely as any other.

    Args:
        keys_C: Keys of the taxa, sorted and distinct.
        dim: Length of the embeddings.
    """

    keys_C: Tensor

    def __init__(self, keys_C: Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys_C", keys_C)
        self.linear = nn.Linear(dim, len(keys_C))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors_bD: Tensor) -> Tensor:
        """Return logits (b, C) of unit vectors."""
        # A linear layer expects elements of about one, those of unit vectors are far smaller.
        logits_bC: Tensor = self.linear(vectors_bD.float() * math.sqrt(vectors_bD.shape[1]))
        return logits_bC

    def places(self, key_b: Tensor) -> Tensor:
        """Return the class of each key (b,), -1 where it is none of them."""
        place_b = torch.searchsorted(self.keys_C, key_b.contiguous()).clamp(max=len(self.keys_C) - 1)
        return torch.where(self.keys_C[place_b] == key_b, place_b, -1)


class TaxonClassifier(Head):
    """A linear classifier per rank on the image embedding; their cross-entropies are added.

    At each rank the mean goes over the rows of the global batch that are labelled there: a record without a species
    takes part in the ranks that it has.

    Args:
        ranks: The species alone is flat classification, all seven ranks the hierarchical form.
    """

    modalities = ("image",)

    def __init__(self, ranks: Sequence[str] = ("species",)) -> None:
        super().__init__()
        for rank in ranks:
            if rank not in RANKS:
                raise ClipbioError(f"loss.ranks: '{rank}' is no rank{nearest(rank, RANKS)}")
        if not ranks or len(set(ranks)) < len(ranks):
            raise ClipbioError(f"loss.ranks={list(ranks)} must name one or more ranks, each once")
        self.ranks = tuple(ranks)
        self.classifiers = nn.ModuleDict()

    def prepare(self, taxon_NR: Tensor, *, dim: int) -> None:
        """Make a class of each taxon of the train specimens; a rank at which none is known has no classifier."""
        for rank in self.ranks:
            keys_C = torch.unique(taxon_NR[:, RANKS.index(rank)])
            if bool((keys_C >= 0).any()):
                self.classifiers[rank] = RankClassifier(keys_C[keys_C >= 0], dim)
        if not self.classifiers:
            raise ClipbioError(f"no train specimen has a {' or a '.join(self.ranks)}: there is nothing to classify")

    def prepare_like(self, state: Mapping[str, Tensor]) -> None:
        """Make classifiers of the sizes that stand in the state of another head, to load it."""
        for rank in self.ranks:
            prefix = f"classifiers.{rank}."
            if f"{prefix}keys_C" in state:
                dim = state[f"{prefix}linear.weight"].shape[1]
                self.classifiers[rank] = RankClassifier(state[f"{prefix}keys_C"].clone(), dim)

    def classifier(self, rank: str) -> RankClassifier:
        """Return the classifier of a rank."""
        found = self.classifiers[rank]
        assert isinstance(found, RankClassifier)
        return found

    def forward(
        self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> HeadOutput:
        """Return the sum over ranks; see `Head.forward`."""
        image_bD = embeddings["image"]
        with torch.autocast(image_bD.device.type, enabled=False):
            losses = [self._losses(rank, image_bD, present["image"], labels["taxon_BR"]) for rank in self.classifiers]
        loss_bK = torch.stack(losses, dim=1)
        known_bK = ~loss_bK.detach().isnan()
        number_K = gather_labels(known_bK.sum(dim=0, keepdim=True)).sum(dim=0).clamp(min=1)
        # DDP averages gradients over processes, which may hold unequal numbers of labelled rows.
        term_K = torch.where(known_bK, loss_bK, 0.0).sum(dim=0) * (world_size() / number_K)
        report = {f"loss/{rank}": term.detach() for rank, term in zip(self.classifiers, term_K, strict=True)}
        row_loss_b = torch.where(known_bK.any(dim=1), loss_bK.detach().nansum(dim=1), torch.nan)
        return HeadOutput(term_K.sum(), report if len(report) > 1 else {}, row_loss_b)

    def _losses(self, rank: str, image_bD: Tensor, present_b: Tensor, taxon_bR: Tensor) -> Tensor:
        """Return the cross-entropy of each row, NaN where the rank is not known."""
        classifier = self.classifier(rank)
        place_b = classifier.places(taxon_bR[:, RANKS.index(rank)])
        loss_b = functional.cross_entropy(classifier(image_bD), place_b.clamp(min=0), reduction="none")
        return torch.where(present_b & (place_b >= 0), loss_b, torch.nan)

    @torch.no_grad()
    def answers(self, vectors_ND: Tensor, taxon_NR: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return logits (N, C) and the right class (N,), -1 where it is none of them, for each rank."""
        return {
            rank: (
                self.classifier(rank)(vectors_ND.to(self.classifier(rank).keys_C.device)),
                self.classifier(rank).places(taxon_NR[:, RANKS.index(rank)].to(self.classifier(rank).keys_C.device)),
            )
            for rank in self.classifiers
        }
