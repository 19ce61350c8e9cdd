"""How well traits are extracted from descriptions: `python benchmarks/traits.py [SET ...] [--shared=FOLDER]`.

| set | texts | truth |
|---|---|---|
| `traits/virtual` | 200 descriptions of the virtual herbarium | what their writer claims, exactly |
| `traits/leeds` | the ten of leeds-butterflies | made by hand before the extractor, whole descriptions |
| `traits/birds` | 60 sentences of the birds | made by hand before the extractor |

`ours` and `peer` are F1 over assertions: organ, part, property and value equal, the words overlapping (the virtual
ones without offsets). The peer is what one writes in an hour: the same words found by a regular expression, each given
to the nearest organ word of its sentence. Both read the same texts in one run. `precision`, `recall` and `num` hold
ours per property, `details` the share of agreeing assertions that agree in shade, side, sex and stage too, and
`texts_per_second` how fast both are on one core.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from clipbio.traits import Group, extract
from clipbio.traits.agreement import Agreement, Assertion, agreement, assertion_of, read_assertions
from clipbio.virtual import VirtualHerbarium
from clipbio.virtual.triples import claimed
from clipbio.virtual.words import Claim

from sides import chosen, line
from traits_peer import nearest_organ

GOLD = Path(__file__).resolve().parents[1] / "tests" / "traits" / "gold"
NUM_VIRTUAL = 200
SETS = ["traits/virtual", "traits/leeds", "traits/birds"]

Found = list[Assertion]
Case = tuple[str, Found, tuple[int, int]]
"""A text, what it says, and which part of it was annotated."""


def virtual_cases() -> list[Case]:
    herbarium = VirtualHerbarium(
        NUM_VIRTUAL // 2, 0, specimens_per_species=4, descriptions_per_species=2, image_size=32, seed=11
    )
    texts = [text for species in herbarium.species for text in herbarium.describe(species)]
    return [(text.text, claims(text.claims), (0, len(text.text))) for text in texts]


def claims(told: Sequence[Claim]) -> Found:
    """Return what a writer claims; of a compound leaf the shape may be that of its leaflets."""
    triples = [triple for claim in told for triple in claimed(claim.character, claim.value)]
    return [
        Assertion(
            (one.character, "leaflet shape") if one.character == "leaf shape" else (one.character,),
            one.value,
            details=(("shade", one.shade),),
        )
        for one in triples
    ]


def leeds_cases(shared: Path) -> list[Case]:
    true = read_assertions(GOLD / "leeds.csv")
    rows = {row["species"]: row["description"] for row in read(shared / "leeds-butterflies" / "specimens.csv")}
    return [(text, true.get((species, 0), []), (0, len(text))) for species, text in rows.items()]


def birds_cases(shared: Path) -> list[Case]:
    true = read_assertions(GOLD / "birds.csv")
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for row in read(shared / "birds" / "descriptions.csv"):
        texts[row["scientific_name"]].append(row["description"])
    cases = []
    for row in read(GOLD / "birds_sentences.csv"):
        species, number = row["species"], int(row["description"])
        span = int(row["start"]), int(row["end"])
        cases.append((texts[species][number], true.get((species, number), []), span))
    return cases


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ours(text: str, group: Group) -> Found:
    return [assertion_of(trait) for trait in extract(text, group=group) if not trait.negated]


def scored(cases: list[Case], reader: Callable[[str], Found]) -> tuple[dict[str, Agreement], float]:
    """Return the agreement of a reader with the truth, and how many texts it reads in a second."""
    started = time.process_time()
    found = [reader(text) for text, _, _ in cases]
    seconds = time.process_time() - started
    pairs = []
    for (_, true, (start, end)), assertions in zip(cases, found, strict=True):
        pairs.append(([one for one in assertions if start <= one.start < end], true))
    return agreement(pairs), len(cases) / max(seconds, 1e-9)


def run(name: str, cases: list[Case], group: Group) -> None:
    extract(cases[0][0], group=group)  # reads the vocabulary
    mine, speed = scored(cases, lambda text: ours(text, group))
    naive, peer_speed = scored(cases, lambda text: nearest_organ(text, group))
    whole = mine[""]
    details = whole.details or {}
    print(
        line(
            name,
            ours=whole.f1,
            peer=naive[""].f1,
            peer_name="regular expression, nearest organ word",
            unit="F1",
            less_is_better=False,
            num_texts=len(cases),
            precision={key or "all": round(one.precision, 4) for key, one in mine.items()},
            recall={key or "all": round(one.recall, 4) for key, one in mine.items()},
            num={key or "all": one.num_true for key, one in mine.items()},
            peer_precision=naive[""].precision,
            peer_recall=naive[""].recall,
            details={key: round(count / max(whole.num_both, 1), 4) for key, count in details.items()},
            texts_per_second=[speed, peer_speed],
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="SET")
    parser.add_argument("--shared", type=Path, help="the folder with birds and leeds-butterflies")
    options = parser.parse_args()
    for name in chosen(SETS if options.shared else SETS[:1], options.cases):
        if name == "traits/virtual":
            run(name, virtual_cases(), "plants")
        elif options.shared is None:
            parser.error(f"{name} needs --shared=FOLDER, the folder with birds and leeds-butterflies")
        elif name == "traits/leeds":
            run(name, leeds_cases(options.shared), "insects")
        else:
            run(name, birds_cases(options.shared), "birds")


if __name__ == "__main__":
    main()
