"""`model=lite` and its like: two towers from different models. The constructor signature is the schema."""

from __future__ import annotations

from clipbio.models.multi import DEFAULT_LOGIT_SCALE, MultiTower, seeded
from clipbio.models.options import TowerRecipe

__all__ = ["dual"]


def dual(
    *,
    image: TowerRecipe,
    text: TowerRecipe,
    dim: int = 512,
    initial_logit_scale: float = DEFAULT_LOGIT_SCALE,
    initial_logit_bias: float | None = None,
    seed: int = 0,
    load_weights: bool = True,
) -> MultiTower:
    """Build a model of an image and a text tower that come from different models and get new projections to `dim`."""
    with seeded(seed):
        towers = [recipe.build(dim=dim, load_weights=load_weights) for recipe in (image, text)]
    return MultiTower(
        {tower.modality: tower for tower in towers},
        initial_logit_scale=initial_logit_scale,
        initial_logit_bias=initial_logit_bias,
    )
