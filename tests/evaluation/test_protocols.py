"""Which forms of a benchmark are run."""

import pytest

from clipbio.errors import ClipbioError
from clipbio.evaluation.protocols import PROTOCOLS, chosen_protocols, task_name


def test_the_own_form_is_the_task_itself():
    assert task_name("few_shot", "clipbio") == "few_shot"
    assert task_name("few_shot", "bioclip_v2") == "few_shot_bioclip_v2"


@pytest.mark.parametrize(
    ("asked", "forms", "chosen"),
    [
        ("clipbio", ("bioclip_v1",), ("clipbio",)),
        ("bioclip_v1", ("bioclip_v1",), ("bioclip_v1",)),
        (["clipbio", "bioclip_v1"], ("bioclip_v1", "bioclip_v2"), ("clipbio", "bioclip_v1")),
        ("clibd", ("bioclip_v1",), ("clipbio",)),
        (["bioclip_v2", "bioclip_v2"], (), ("clipbio",)),
    ],
)
def test_a_benchmark_without_the_form_asked_for_is_run_in_its_own(asked, forms, chosen):
    assert chosen_protocols(asked, forms) == chosen


@pytest.mark.parametrize("asked", ["bioclip2", [], ["clipbio", "bioclip"]])
def test_an_unknown_protocol_is_refused_with_all_that_are_known(asked):
    with pytest.raises(ClipbioError, match=f"valid are: {', '.join(PROTOCOLS)}"):
        chosen_protocols(asked, PROTOCOLS)
