from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from clipbio.evaluation.retrieval import Retrieval
from clipbio.evaluation.zero_shot import ZeroShot

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def benchmarks():
    with initialize_config_dir(str(CONF), version_base=None):
        return compose(overrides=["+benchmark=[zero_shot,retrieval]"]).benchmark


def test_benchmarks_compose_under_their_names_and_instantiate(benchmarks):
    assert isinstance(instantiate(benchmarks.zero_shot), ZeroShot)
    assert isinstance(instantiate(benchmarks.retrieval), Retrieval)


@pytest.mark.parametrize(("name", "cls"), [("zero_shot", ZeroShot), ("retrieval", Retrieval)])
def test_the_constructor_is_the_schema(benchmarks, name, cls):
    import inspect

    assert set(benchmarks[name]) - {"_target_"} == set(inspect.signature(cls).parameters)
