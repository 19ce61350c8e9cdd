"""Every benchmark that is shipped."""

import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "benchmark").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_it_lives_under_its_name_its_constructor_is_the_schema_and_it_instantiates(name):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=[f"+benchmark=[{name}]"]).benchmark
    cls = get_class(config[name]["_target_"])
    assert {key for key in config[name] if not key.startswith("_")} == set(inspect.signature(cls).parameters)
    assert isinstance(instantiate(config[name]), cls)


def test_several_compose():
    with initialize_config_dir(str(CONF), version_base=None):
        assert set(compose(overrides=[f"+benchmark=[{','.join(NAMES)}]"]).benchmark) == set(NAMES)
