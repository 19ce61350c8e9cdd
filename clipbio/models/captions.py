"""Captions of images, word by word.

Shape suffixes: B images, C channels, H height, W width of images or states, N image tokens, k beams, K vocabulary,
L words, R rows (B * k).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.models.captioner import CaptionDecoder, Words, states, words_of
from clipbio.models.multi import MultiTower
from clipbio.models.tower import Tower

__all__ = ["generate"]


@torch.inference_mode()
def generate(
    model: MultiTower, pixels_BCHW: Tensor, *, beams: int = 1, max_words: int = 76, length_penalty: float = 1.0
) -> list[str]:
    """Return a caption for each image: the same ones each time.

    Args:
        model: A CoCa model.
        pixels_BCHW: uint8 pixels, as its image tower wants them.
        beams: Captions that are followed side by side; 1 takes the likeliest word each time.
        max_words: Tokens of a caption at most; the context of the model bounds them too.
        length_penalty: Captions are ranked by their log-likelihood divided by their length to this power: 0 prefers
            short ones.

    Raises:
        ClipbioError: The model has no decoder, or numbers are below 1.
    """
    if model.decoder is None:
        raise ClipbioError("the model writes no captions: it has no caption decoder; train experiment=captioning")
    for name, value in (("beams", beams), ("max_words", max_words)):
        if value < 1:
            raise ClipbioError(f"{name}={value} must be at least 1")
    if not len(pixels_BCHW):
        return []
    modes = {part: part.training for part in (model, model.decoder)}
    model.eval()
    try:
        words = words_of(model.tower("text"))
        image_BNW = states(model.tower("image"), pixels_BCHW).states_BNW
        search = _Search(model.tower("text"), model.decoder, words, beams)
        # The first token and the last one count too.
        tokens_BL = search(image_BNW, min(max_words + 2, model.decoder.context_length), length_penalty)
    finally:
        for part, mode in modes.items():
            part.train(mode)
    return [_text(words, row) for row in tokens_BL.tolist()]


class _Search:
    """Beam search; all beams of all images make one step together."""

    def __init__(self, text: Tower, decoder: CaptionDecoder, words: Words, beams: int) -> None:
        self.text, self.decoder, self.words, self.beams = text, decoder, words, beams

    def __call__(self, image_BNW: Tensor, length: int, penalty: float) -> Tensor:
        """Return the best tokens (B, L) of each image, at most `length` of them."""
        images, beams = len(image_BNW), self.beams
        image_RNW = image_BNW.repeat_interleave(beams, dim=0)
        tokens_RL = torch.full((images * beams, 1), self.words.first, device=image_BNW.device)
        # All beams begin alike: only the first one counts, or they would stay alike.
        score_Bk = torch.full((images, beams), -torch.inf, device=image_BNW.device)
        score_Bk[:, 0] = 0.0
        size_Bk = torch.ones_like(score_Bk)
        while tokens_RL.shape[1] < length and not bool((tokens_RL[:, -1] == self.words.last).all()):
            chance_RK = self._next(image_RNW, tokens_RL)
            vocabulary = chance_RK.shape[1]
            sum_BkK = score_Bk[..., None] + chance_RK.view(images, beams, vocabulary)
            score_Bk, place_Bk = sum_BkK.flatten(1).topk(beams, dim=1)
            beam_Bk = place_Bk // vocabulary
            origin_R = (beam_Bk + torch.arange(images, device=beam_Bk.device)[:, None] * beams).flatten()
            grows_Bk = (tokens_RL[origin_R, -1] != self.words.last).view(images, beams)
            size_Bk = size_Bk.gather(1, beam_Bk) + grows_Bk
            tokens_RL = torch.cat([tokens_RL[origin_R], (place_Bk % vocabulary).view(-1, 1)], dim=1)
        best_B = (score_Bk / size_Bk**penalty).argmax(dim=1)
        return tokens_RL.view(images, beams, -1)[torch.arange(images, device=best_B.device), best_B]

    def _next(self, image_RNW: Tensor, tokens_RL: Tensor) -> Tensor:
        """Return log-probabilities (R, K) of the next token; behind a caption's last one it stands again, for sure."""
        text_RLW = states(self.text, tokens_RL).states_BNW
        logits_RK = self.decoder.logits(self.decoder(image_RNW, text_RLW)[:, -1])
        logits_RK[:, self.words.first] = -torch.inf
        chance_RK = functional.log_softmax(logits_RK, dim=1)
        ended_R = tokens_RL[:, -1] == self.words.last
        only_K = torch.full_like(chance_RK[0], -torch.inf)
        only_K[self.words.last] = 0.0
        return torch.where(ended_R[:, None], only_K, chance_RK)


def _text(words: Words, tokens: list[int]) -> str:
    """Return the words of a caption, set as people write: the tokenizer puts a blank behind each digit and mark."""
    behind = tokens[1:]
    text = words.text(behind[: behind.index(words.last)] if words.last in behind else behind)
    text = re.sub(r"(?<=\d) (?=\d)|(?<=\() | (?=[.,;:!?)])", "", text)
    return re.sub(r"(?<=\w) ([-–/]) (?=\w)", r"\1", text).strip()
