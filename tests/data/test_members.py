from __future__ import annotations

from pathlib import Path

from tables import encoded

from clipbio.data.defects import Defects
from clipbio.data.members import members_of
from clipbio.data.options import PrepareOptions
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon


def test_bytes_a_path_and_a_reader_give_the_same_members(tmp_path: Path) -> None:
    data = encoded(1)
    (tmp_path / "a.jpg").write_bytes(data)
    pictures = (data, tmp_path / "a.jpg", lambda: data)
    found = [members_of(Specimen("a", Taxon(), image=one), PrepareOptions(), Defects()) for one in pictures]
    assert found[0]["jpg"] == data
    assert found[0] == found[1] == found[2]
