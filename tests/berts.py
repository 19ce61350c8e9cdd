"""A small text model on disk, as transformers saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_bert(folder: Path, hidden: int = 32, **config: Any) -> Path:
    """Save a random BERT of two layers with its tokenizer, as transformers does."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.", "##a", "##b", "photo", "of"]
    BertTokenizerFast(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 40}
    model = BertModel(BertConfig(vocab_size=len(words), hidden_size=hidden, **(shape | config)))
    model.save_pretrained(folder)
    return folder
