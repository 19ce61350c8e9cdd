"""open_clip's own loss, for comparison."""

from __future__ import annotations

from torch import Tensor, nn

from clipbio.distributed import world_rank, world_size
from clipbio.errors import ClipbioError

__all__ = ["PlainClip"]


class PlainClip(nn.Module):
    """`open_clip.ClipLoss` with local loss and differentiable gathering: every other row is a negative."""

    def forward(
        self, first_bD: Tensor, second_bD: Tensor, scale: Tensor, *, present_b: Tensor, batch: dict[str, Tensor]
    ) -> Tensor:
        """Return the loss of this process, see `InfoNCE.forward`; a missing modality is refused."""
        from open_clip import ClipLoss  # seconds of imports that only this loss should cost

        del batch
        if not bool(present_b.all()):
            raise ClipbioError("loss=open_clip knows no missing modality: use loss=infonce, or drop such specimens")
        loss = ClipLoss(local_loss=True, gather_with_grad=True, rank=world_rank(), world_size=world_size())
        value: Tensor = loss(first_bD, second_bD, scale)
        return value
