from collections import Counter

import pytest
import torch
from key_worlds import animal, random_splits, split_data, unit

from clipbio.evaluation.pools import side_of
from clipbio.evaluation.taxon_tree import NOT_IN_TREE, UNKNOWN, TaxonTree, deepest
from clipbio.evaluation.tree_answers import answer, choose_temperature
from clipbio.taxonomy import RANKS, Taxon

FAMILY, GENUS, SPECIES = RANKS.index("family"), RANKS.index("genus"), RANKS.index("species")


def lineages(*taxa: Taxon) -> torch.Tensor:
    return torch.tensor([taxon.rank_keys for taxon in taxa])


def names(tree: TaxonTree, taxa: list[Taxon]) -> dict[int, str]:
    """Name every node by the taxa that it was made of."""
    return {
        int(node): name
        for taxon, row in zip(taxa, tree.nodes(lineages(*taxa)))
        for name, node in zip((*taxon.ranks[:-1], taxon.scientific_name), row)
        if node >= 0
    }


def test_a_taxon_hangs_on_the_deepest_rank_above_that_its_records_name():
    taxa = [
        Taxon("A", "", "", "O", "", "G", "x"),  # its genus is known to lie in O, and by the next record in F
        Taxon("A", "", "", "O", "F", "G", ""),
        Taxon("A", "", "", "O", "F", "", ""),
        Taxon("", "", "", "", "", "H", "y"),  # nothing above its genus is known
    ]
    tree = TaxonTree.from_lineages(lineages(*taxa))
    name = names(tree, taxa) | {-1: "root"}
    parents = {name[node]: name[int(parent)] for node, parent in enumerate(tree.parent_M)}
    assert parents == {"A": "root", "O": "A", "F": "O", "G": "F", "G x": "G", "H": "root", "H y": "H"}
    last = tree.lineage_MR[int(tree.nodes(lineages(taxa[0]))[0, SPECIES])]
    assert [name[int(node)] if node >= 0 else "" for node in last] == ["A", "", "", "O", "F", "G", "G x"]


def test_where_records_disagree_the_majority_has_the_parent():
    def genus(family: str) -> Taxon:
        return animal(family, "G")

    for families, winner in ((["F1", "F2", "F2"], "F2"), (["F1", "F1", "F2"], "F1")):
        taxa = [genus(family) for family in families]
        tree = TaxonTree.from_lineages(lineages(*taxa))
        node = int(tree.nodes(lineages(taxa[0]))[0, GENUS])
        assert names(tree, taxa)[int(tree.parent_M[node])] == winner
    tied = [genus("F1"), genus("F2")]
    tree = TaxonTree.from_lineages(lineages(*tied))
    parent = int(tree.parent_M[tree.nodes(lineages(tied[0]))[0, GENUS]])
    assert tree.key_M[parent] == min(taxon.rank_keys[FAMILY] for taxon in tied)


def test_nodes_of_other_taxa_and_of_missing_labels():
    tree = TaxonTree.from_lineages(lineages(animal("F", "G", "a")))
    rows = tree.nodes(lineages(animal("F", "G", "b"), animal("F"), animal("E", "D", "c")))
    assert [row[4:].tolist() for row in rows] == [
        [4, 5, NOT_IN_TREE],
        [4, UNKNOWN, UNKNOWN],
        [NOT_IN_TREE, NOT_IN_TREE, NOT_IN_TREE],
    ]
    assert deepest(rows).tolist() == [5, 4, 3]


def test_a_record_known_to_its_family_speaks_for_the_family_alone():
    keys = {"train": split_data("train", [animal("F", "G", "a"), animal("F")], {"image": unit(0, 90)})}
    pool = side_of(keys, ["train"], "image")
    tree = TaxonTree.from_lineages(pool.taxon_NR)
    query = side_of({"test": split_data("test", [animal("F")], {"image": unit(45)})}, ["test"], "image")
    found = answer(query, pool, tree, temperature=0.1, votes="keys")
    assert found.confidence_QR[0].tolist() == pytest.approx([1, 1, 1, 1, 1, 0.5, 0.5])
    # The family is answered; below it the single genus is the best child.
    assert found.path_QR[0].tolist() == tree.nodes(lineages(animal("F", "G", "a")))[0].tolist()


def slow_path(cosines, taxa, temperature: float, votes: str):
    """Walk down nested names; the confidence of a name is the weight of all keys that bear it."""
    if votes == "taxa":
        best = {}
        for cosine, taxon in zip(cosines, taxa):
            best[taxon] = max(cosine, best.get(taxon, -2))
        cosines, taxa = list(best.values()), list(best)
    weights = torch.softmax(torch.tensor(cosines, dtype=torch.float64) / temperature, dim=0).tolist()
    path, confidence = [], []
    for rank in range(len(RANKS)):
        share = Counter()
        for weight, taxon in zip(weights, taxa):
            if list(taxon.rank_keys[:rank]) == path and taxon.rank_keys[rank] >= 0:
                share[taxon.rank_keys[rank]] += weight
        if not share:
            break
        path.append(max(share, key=lambda key: share[key]))
        confidence.append(share[path[-1]])
    return path, confidence


@pytest.mark.parametrize("votes", ["keys", "taxa"])
@pytest.mark.parametrize("temperature", [0.02, 0.3])
def test_answers_are_those_of_a_walk_in_python(votes, temperature):
    data = random_splits(5, {"train": (60, range(14)), "test": (25, range(18))})
    named = [one.taxon for one in data["train"].specimens.named]
    # Some keys are known to a rank above species alone.
    taxa = [
        Taxon(*taxon.ranks[: 5 + row % 3], *[""] * (2 - row % 3)) if row % 4 == 0 else taxon
        for row, taxon in enumerate(named)
    ]
    data["train"] = split_data("train", taxa, dict(data["train"].specimens.vectors))
    pool, query = side_of(data, ["train"], "dna"), side_of(data, ["test"], "image")
    tree = TaxonTree.from_lineages(pool.taxon_NR)
    found = answer(query, pool, tree, temperature=temperature, votes=votes)
    for row, vector in enumerate(query.vectors_ND):
        path, confidence = slow_path((pool.vectors_ND @ vector).tolist(), taxa, temperature, votes)
        nodes = [node for node in found.path_QR[row].tolist() if node >= 0]
        assert tree.key_M[nodes].tolist() == path
        assert found.confidence_QR[row, : len(path)].tolist() == pytest.approx(confidence, abs=1e-5)
        cosines = pool.vectors_ND @ vector
        for rank in range(len(RANKS)):
            labelled = [place for place, taxon in enumerate(taxa) if taxon.rank_keys[rank] >= 0]
            near = max(labelled, key=lambda place: float(cosines[place]))
            assert int(tree.key_M[found.nearest_QR[row, rank]]) == taxa[near].rank_keys[rank]


def test_the_best_taxon_of_each_rank_may_leave_the_path():
    keys = [animal("F1", "G1", "a"), animal("F1", "G1", "b"), animal("F2", "G2", "c")]
    pool = side_of({"train": split_data("train", keys, {"image": unit(20, -20, 15)})}, ["train"], "image")
    tree = TaxonTree.from_lineages(pool.taxon_NR)
    query = side_of({"test": split_data("test", keys[:1], {"image": unit(0)})}, ["test"], "image")
    found = answer(query, pool, tree, temperature=0.1, votes="keys")
    key = tree.key_M
    assert int(key[found.path_QR[0, GENUS]]) == keys[0].rank_keys[GENUS]
    assert int(key[found.best_QR[0, SPECIES]]) == keys[2].rank_keys[SPECIES]
    assert int(key[found.nearest_QR[0, FAMILY]]) == keys[2].rank_keys[FAMILY]
    # When every taxon has one vote by its nearest key, the two species of F1 still outweigh the one of F2.
    assert (
        int(key[answer(query, pool, tree, temperature=0.1, votes="taxa").path_QR[0, FAMILY]])
        == keys[0].rank_keys[FAMILY]
    )


def test_a_query_without_keys_has_no_answer():
    taxon = animal("F", "G", "a")
    pool = side_of({"train": split_data("train", [taxon], {"image": unit(0)}, groups=[1])}, ["train"], "image")
    query = side_of({"test": split_data("test", [taxon], {"image": unit(0)}, groups=[1])}, ["test"], "image")
    found = answer(query, pool, TaxonTree.from_lineages(pool.taxon_NR), temperature=0.1, votes="keys")
    assert all((column < 0).all() for column in (found.path_QR, found.best_QR, found.nearest_QR))
    assert found.confidence_QR.sum() == 0


def test_the_temperature_is_that_of_the_highest_log_confidence():
    data = random_splits(6, {"train": (80, range(12)), "val": (40, range(15))}, noise=0.9)
    pool, query = side_of(data, ["train"], "image"), side_of(data, ["val"], "image")
    tree = TaxonTree.from_lineages(pool.taxon_NR)
    temperatures, true_Q = [0.005, 0.02, 0.1, 0.5], deepest(tree.nodes(query.taxon_NR))
    means = []
    for temperature in temperatures:
        logs = []
        for vector, group, true in zip(query.vectors_ND, query.group_N, true_Q):
            weights = torch.softmax((pool.vectors_ND @ vector).double() / temperature, dim=0)
            bears = (tree.lineage_MR[deepest(tree.nodes(pool.taxon_NR))] == true).any(dim=1) & (pool.group_N != group)
            logs.append(max(float(weights[bears].sum()), 1e-12))
        means.append(torch.tensor(logs).log().mean())
    expected = temperatures[int(torch.stack(means).argmax())]
    assert choose_temperature(query, pool, tree, temperatures, "keys") == expected
    assert expected not in (temperatures[0], temperatures[-1])
