from hypothesis import given
from hypothesis import strategies as st

from clipbio.seeding import derive_seed, rng

parts = st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3)), max_size=4)


@given(parts, parts)
def test_seeds_are_equal_only_for_equal_parts(first: list[int | str], second: list[int | str]) -> None:
    assert (derive_seed(*first) == derive_seed(*second)) == (first == second)
    assert 0 <= derive_seed(*first) < 2**63


def test_no_collision_among_many_and_no_confusion_of_types() -> None:
    seeds = {derive_seed(seed, epoch, place) for seed in range(20) for epoch in range(20) for place in range(50)}
    assert len(seeds) == 20_000
    assert derive_seed(1) != derive_seed("1")
    assert derive_seed("ab", "c") != derive_seed("a", "bc")


def test_the_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed("order", 0, 1) == 1268198062080300707
    assert rng("a", 1).integers(0, 1 << 40) == rng("a", 1).integers(0, 1 << 40)
