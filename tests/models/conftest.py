import pytest
from small_models import save_bert, save_openclip


@pytest.fixture(scope="session")
def openclip_folder(tmp_path_factory):
    """Folders of small open_clip models, made once."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("openclip") / name
            save_openclip(made[name], name)
        return made[name]

    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert") / "small")
