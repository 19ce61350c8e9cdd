import pytest

from clipbio.virtual import VirtualHerbarium


@pytest.fixture(scope="session")
def herbarium():
    return VirtualHerbarium(120, 40, specimens_per_species=8, image_size=64, seed=3)
