"""What CLIBD puts behind its DNA encoder, kept for comparison with its published figures.

The published code (https://github.com/bioscan-ml/clibd, issue 33) puts a linear layer in the place of the decoder of
BERT's masked-token head, takes a *softmax* over its outputs and averages it over all positions, padding included.
Features are then probabilities: all positive, with a sum of one, and nearly the same for every barcode.

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SoftmaxMean"]


class SoftmaxMean(nn.Module):
    """Turn states_BLF into the mean over all positions of a softmax over features.

    `transform` and `decoder` carry the names that they have in `cls.predictions` of a masked-token BERT.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        parts = {"dense": nn.Linear(width, width), "act": nn.GELU(), "LayerNorm": nn.LayerNorm(width, eps=1e-12)}
        self.transform = nn.ModuleDict(parts)
        self.decoder = nn.Linear(width, width)

    def forward(self, states_BLF: Tensor, mask_BL: Tensor) -> Tensor:
        """Return features_BF; the mask is not used, that is the quirk."""
        del mask_BL
        for part in self.transform.values():
            states_BLF = part(states_BLF)
        probabilities_BLF: Tensor = self.decoder(states_BLF).softmax(dim=-1)
        return probabilities_BLF.mean(dim=1)
