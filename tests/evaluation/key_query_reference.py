"""The key-query protocol in plain loops, against which the benchmark is compared."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict

import numpy as np
import torch

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS, Taxon

DIMENSIONS = 12
JUDGED = ("order", "family", "genus", "species")


class Record:
    """One specimen with names alone."""

    def __init__(self, taxon, label=""):
        self.taxon, self.label, self.common_names, self.descriptions = taxon, label, (), ()


def encode(texts):
    """Give each text a direction of its own."""
    seeds = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") for text in texts]
    return torch.stack([torch.randn(DIMENSIONS, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def specimens(ids, records, groups, *, image, dna):
    """Make specimens of lists of vectors, None where a modality is absent."""
    vectors, present = {}, {}
    for name, rows in (("image", image), ("dna", dna)):
        width = next((len(row) for row in rows if row is not None), 1)
        vectors[name] = torch.stack(
            [torch.zeros(width) if row is None else torch.as_tensor(row).float() for row in rows]
        )
        present[name] = torch.tensor([row is not None for row in rows])
    taxa = torch.tensor([record.taxon.rank_keys for record in records], dtype=torch.long).reshape(-1, len(RANKS))
    return Specimens(tuple(ids), tuple(records), vectors, present, taxa, torch.tensor(groups, dtype=torch.long))


def split_data(name, one):
    empty = SplitData.build(name, [], vectors_ND=torch.zeros(0, DIMENSIONS), named=[])
    return SplitData(name, empty.images, empty.classes, specimens=one)


def random_specimens(generator, name, count, groups):
    """Return specimens with few taxa, missing names, missing modalities and vectors that occur again in their split.

    Were they those of another split, the sum of an image and a DNA vector would be equally near to both.
    """
    start = sum(name.encode())
    records, vectors = [], {"image": [], "dna": []}
    for _ in range(count):
        species = int(generator.integers(6))
        names = [
            "Animalia",
            "Arthropoda",
            "Insecta",
            f"Order{species % 2}",
            f"Fam{species % 3}",
            f"Gen{species // 2}",
            f"sp{species}",
        ]
        known = int(generator.choice([7, 7, 7, 6, 5, 3, 0]))
        gap = int(generator.choice([4, -1, -1]))
        names = [name if place < known and place != gap else "" for place, name in enumerate(names)]
        records.append(Record(Taxon(*names), "provisional 1" if generator.random() < 0.1 else ""))
        for modality, rows in enumerate(vectors.values()):
            fixed = np.random.default_rng(start + 10 * modality + int(generator.integers(8)))
            rows.append(None if generator.random() < 0.25 else unit(fixed.standard_normal(DIMENSIONS)))
    ids = [f"{name}-{row}" for row in range(count)]
    return specimens(ids, records, [int(generator.integers(-1, groups)) for _ in range(count)], **vectors)


def unit(vector):
    return np.asarray(vector, dtype=np.float64) / max(float(np.linalg.norm(vector)), 1e-12)


def own(one, row):
    group = int(one.group_N[row])
    return ("group", group) if group >= 0 else ("id", one.ids[row])


def label(one, row, rank, protocol):
    record = one.named[row]
    name = record.taxon.ranks[RANKS.index(rank)]
    if rank == "species":
        name = record.taxon.scientific_name or record.label
    if protocol == "clibd":
        return name or "not_classified"
    if rank == "species" and record.label and not record.taxon.scientific_name:
        return ("label", name)
    return (name, record.taxon.kingdom) if name else None


def text(record, protocol):
    if protocol == "clibd":
        ranks = record.taxon.ranks
        names = [*(ranks[RANKS.index(rank)] for rank in JUDGED[:3]), record.taxon.scientific_name or record.label]
        return " ".join(name or "not_classified" for name in names)
    taxon = record.taxon
    known = [name for name in taxon.ranks if name]
    if taxon.species and not taxon.genus:
        known.pop()
    return " ".join(known) or record.label or None


def vector(one, row, form, protocol):
    """Return the unit vector of a specimen in a form, None if it has none."""
    if form == "text":
        words = text(one.named[row], protocol)
        return None if words is None else unit(encode([words])[0].numpy())
    if form == "fused":
        parts = [part for part in (vector(one, row, name, protocol) for name in ("image", "dna")) if part is not None]
        return unit(np.sum(parts, axis=0)) if parts else None
    return unit(one.vectors[form][row].numpy()) if bool(one.present[form][row]) else None


def keys_of(parts, form, protocol):
    """Return (split part, row, vector) of each key that has a form."""
    found = [(one, row, vector(one, row, form, protocol)) for one in parts for row in range(len(one.ids))]
    return [key for key in found if key[2] is not None]


def hidden(query, row, key, form, query_form):
    one, other, _ = key
    return own(query, row) == own(one, other) and not (form == "text" and query_form != "text")


def answered(pools, query, row, query_form, key_form, protocol):
    """Return the keys that a query may meet with their scores, best first, in order of rows where equal."""
    asking = vector(query, row, query_form, protocol)
    ranked = []
    for form, keys in pools.items():
        scores = np.array([float(asking @ key[2]) for key in keys])
        if key_form == "all_normalised":
            scores = (scores - scores.mean()) / max(scores.std(), 1e-6)
        ranked += [(score, key) for score, key in zip(scores, keys) if not hidden(query, row, key, form, query_form)]
    # Equal vectors may differ in the last bits of their products.
    return sorted(ranked, key=lambda entry: -round(entry[0], 6))


def reference(parts, query, query_form, key_form, ks, protocol="clipbio", distinct=False):
    """Return the figures of one split and variant by rank, metric and k."""
    figures = {}
    rows = [row for row in range(len(query.ids)) if vector(query, row, query_form, protocol) is not None]
    forms = ["image", "dna", "text"] if key_form.startswith("all") else [key_form]
    pools = {form: keys_of(parts, form, protocol) for form in forms}
    answers = {row: answered(pools, query, row, query_form, key_form, protocol) for row in rows}
    for rank in JUDGED:
        right, luck, keyless, tied = (
            defaultdict(lambda: defaultdict(list)),
            defaultdict(lambda: defaultdict(list)),
            0,
            0,
        )
        for row in rows:
            true = label(query, row, rank, protocol)
            if true is None:
                continue
            named = [label(key[0], key[1], rank, protocol) for _, key in answers[row]]
            relevant = named.count(true)
            keyless += not relevant
            tied += any(
                abs(answers[row][0][0] - score) <= 1e-6 and other != named[0]
                for (score, _), other in zip(answers[row], named)
            )
            taxa = list(dict.fromkeys(name for name in named if name is not None)) if distinct else named
            for k in ks:
                right[k][true].append(true in taxa[:k])
                total = len(named)
                luck[k][true].append(
                    1 - math.comb(total - relevant, min(k, total)) / math.comb(total, min(k, total)) if total else 0
                )
        for k in ks:
            figures |= averages(rank, k, right[k], "")
            if not distinct or k == 1:
                figures |= averages(rank, k, luck[k], "/chance")
        figures[f"{rank}/keyless"] = keyless
        figures[f"{rank}/tied"] = tied
        figures[f"{rank}/unlabelled"] = sum(label(query, row, rank, protocol) is None for row in rows)
    figures["queries"], figures[f"without_{query_form}"] = len(rows), len(query.ids) - len(rows)
    return figures


def averages(rank, k, by_class, suffix):
    everything = [value for values in by_class.values() for value in values]
    if not everything:
        return {}
    macro = float(np.mean([np.mean(values) for values in by_class.values()]))
    return {f"{rank}/micro@{k}{suffix}": float(np.mean(everything)), f"{rank}/macro@{k}{suffix}": macro}


def prototype_reference(parts, query, query_form, form, ks):
    """Return micro accuracies by rank against one mean vector per taxon; a tie is lost."""
    figures = {}
    rows = [row for row in range(len(query.ids)) if vector(query, row, query_form, "clipbio") is not None]
    keys = keys_of(parts, form, "clipbio")
    for rank in JUDGED:
        places = []
        for row in rows:
            true = label(query, row, rank, "clipbio")
            if true is None:
                continue
            members = defaultdict(list)
            for key in keys:
                name = label(key[0], key[1], rank, "clipbio")
                if name is not None and own(query, row) != own(key[0], key[1]):
                    members[name].append(key[2])
            asking = vector(query, row, query_form, "clipbio")
            scores = {name: float(asking @ unit(np.sum(vectors, axis=0))) for name, vectors in members.items()}
            ahead = [name for name in scores if name != true and true in scores and scores[name] >= scores[true] - 1e-6]
            places.append(len(ahead) if true in scores else math.inf)
        if places:
            figures |= {f"{rank}/micro@{k}": float(np.mean([place < k for place in places])) for k in ks}
    return figures
