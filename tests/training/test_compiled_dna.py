"""Compiled DNA towers give the values and gradients of plain ones."""

import pytest
import torch

from clipbio.dna import BarcodeTokenizer
from clipbio.models import BertDna, ConvDna, MultiTower, towers
from clipbio.training.compiling import compile_trunks

TOKENIZER = BarcodeTokenizer(k=2, max_length=20)
RECIPES = {
    "bert": BertDna(tokenizer=TOKENIZER, layers=2, heads=2, width=16, trunk_dropout=0.0),
    "bert_mean": BertDna(tokenizer=TOKENIZER, layers=2, heads=2, width=16, trunk_dropout=0.0, layer="mean"),
    "conv": ConvDna(tokenizer=TOKENIZER, layers=2, width=8, kernel=3),
}


def gradients(model: MultiTower) -> dict[str, torch.Tensor]:
    tokens_BL = TOKENIZER(["ACGTTGCANACC", "GGATCCTTAAGGCCATTTAA", ""])
    (model({"dna": tokens_BL})["dna"] * torch.linspace(-1, 1, 24).view(3, 8)).sum().backward()
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("kind", RECIPES)
def test_gradients_agree_and_names_stay(kind: str) -> None:
    plain, compiled = (towers(dna=RECIPES[kind], dim=8) for _ in range(2))
    compile_trunks(compiled, {"backend": "eager"})
    assert compiled.tower("dna").trunk.encoder._compiled_call_impl is not None
    expected, found = gradients(plain), gradients(compiled)
    assert expected.keys() == found.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)
