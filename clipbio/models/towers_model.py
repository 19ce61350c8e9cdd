"""`model=lite`, `model=trimodal` and their like: towers of any origin. The constructor signature is the schema."""

from __future__ import annotations

from clipbio.errors import ClipbioError
from clipbio.models.multi import DEFAULT_LOGIT_SCALE, MultiTower, seeded
from clipbio.models.options import TowerRecipe

__all__ = ["towers"]


def towers(
    *,
    image: TowerRecipe | None = None,
    text: TowerRecipe | None = None,
    dna: TowerRecipe | None = None,
    dim: int | None = 512,
    initial_logit_scale: float = DEFAULT_LOGIT_SCALE,
    initial_logit_bias: float | None = None,
    seed: int = 0,
    load_weights: bool = True,
) -> MultiTower:
    """Build a model of towers that come from different models and get new projections to `dim`.

    Without `dim` the space has the width of the trunk, for a tower that stands alone.

    Raises:
        ClipbioError: No tower is given, or a recipe stands in the place of another modality.
    """
    recipes = {"image": image, "text": text, "dna": dna}
    chosen = {name: recipe for name, recipe in recipes.items() if recipe is not None}
    if not chosen:
        raise ClipbioError("model: no tower is given; set at least one of model.image, model.text and model.dna")
    with seeded(seed):
        built = {name: recipe.build(dim=dim, load_weights=load_weights) for name, recipe in chosen.items()}
    for name, tower in built.items():
        if tower.modality != name:
            raise ClipbioError(f"model.{name} builds a tower for {tower.modality}: give it as model.{tower.modality}")
    return MultiTower(built, initial_logit_scale=initial_logit_scale, initial_logit_bias=initial_logit_bias)
