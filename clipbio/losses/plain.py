"""open_clip's own loss, for comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipbio.distributed import world_rank, world_size
from clipbio.errors import ClipbioError
from clipbio.losses.labels import LabelTable, PairRows

__all__ = ["PlainClip"]


class PlainClip(nn.Module):
    """`open_clip.ClipLoss`: every other row is a negative.

    Args:
        local_loss: Each process computes only its own rows.
        gather_with_grad: Gradients flow to the processes that embeddings came from.
    """

    def __init__(self, *, local_loss: bool = True, gather_with_grad: bool = True) -> None:
        super().__init__()
        if local_loss and not gather_with_grad:
            raise ClipbioError(
                "loss.local_loss=true with loss.gather_with_grad=false gives a wrong gradient on several processes: "
                "set both, or local_loss=false"
            )
        self.local_loss = local_loss
        self.gather_with_grad = gather_with_grad

    def forward(
        self,
        first_nD: Tensor,
        second_MD: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        *,
        table: LabelTable,
        rows: PairRows,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of this process, see `InfoNCE.forward`; a missing modality is refused."""
        from open_clip import ClipLoss  # seconds of imports that only this loss should cost

        del bias
        if not len(rows.row_N) == len(rows.column_M) == len(table):
            raise ClipbioError("loss=open_clip knows no missing modality: use loss=infonce, or drop such specimens")
        loss = ClipLoss(
            local_loss=self.local_loss,
            gather_with_grad=self.gather_with_grad,
            rank=world_rank(),
            world_size=world_size(),
        )
        second_nD = second_MD[table.offset : table.offset + table.own]
        return loss(first_nD, second_nD, scale), torch.full((len(first_nD),), torch.nan, device=first_nD.device)
