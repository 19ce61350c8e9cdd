"""Barcodes from FASTA, in the layouts of those who publish them."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipbio.cli import main
from clipbio.data.manifest import Manifest
from clipbio.data.sources import FastaSource
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError

BOLD = (
    ">AB001-10|Spialia doris|COI-5P|KX0001\r\nACGT-ACG\r\nTTNN\n"
    ">AB002-10|Spialia sp. 1ABC|COI-5P\nacgt\n>AB002-10|Spialia doris|28S\nGGGG\r\n"
    ">AB003-10|Hesperiidae|COI-5P|\nAC GT\n\n>AB004-10||COI-5P|\nCCCC\n>AB005-10|Lepidoptera|COI-5P|\nCCCC\n"
)


def write(folder: Path, content: str, name: str = "barcodes.fasta") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


def read(path: Path, **settings: object) -> dict[str, Specimen]:
    return {one.id: one for one in FastaSource(path, **settings)}  # type: ignore[arg-type]


def test_headers_of_bold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="clipbio"):
        found = read(write(tmp_path, BOLD))
    assert list(found) == ["AB001-10", "AB002-10", "AB003-10", "AB004-10", "AB005-10"]
    first, provisional, family, nameless, order = found.values()
    assert (first.species, first.dna, first.metadata) == ("Spialia doris", "ACGT-ACGTTNN", {"insdc_acs": "KX0001"})
    assert (provisional.taxon.genus, provisional.label, provisional.dna) == ("Spialia", "Spialia sp. 1ABC", "acgt")
    assert (family.taxon.family, family.label) == ("Hesperiidae", "")
    assert not nameless.has_name
    assert (order.taxon.is_empty, order.label) == (True, "Lepidoptera")
    assert "1 sequences of other markers" in caplog.text


def test_all_markers_have_ids_of_their_own(tmp_path: Path) -> None:
    found = read(write(tmp_path, BOLD), marker=None)
    assert {"AB002-10.COI-5P", "AB002-10.28S"} <= set(found)


@pytest.mark.parametrize(
    "header",
    [
        "x;tax=d:Eukaryota,k:Animalia,p:Arthropoda,c:Insecta,o:Lepidoptera,f:Hesperiidae,g:Spialia,s:Spialia_doris;",
        "x;tax=k:Animalia,p:Arthropoda,c:Insecta,o:Lepidoptera,f:Hesperiidae,g:Spialia,s:doris;size=7;",
        "x k__Animalia;p__Arthropoda;c__Insecta;o__Lepidoptera;f__Hesperiidae;g__Spialia;s__Spialia_doris",
        "x|KX1|reps|k__Animalia;p__Arthropoda;c__Insecta;o__Lepidoptera;f__Hesperiidae;g__Spialia;s__Spialia doris",
        "x Animalia;Arthropoda;Insecta;Lepidoptera;Hesperiidae;Spialia;Spialia doris",
        "x Animalia; Arthropoda; Insecta; Lepidoptera; Hesperiidae; Spialia; Spialia_doris;",
    ],
)
def test_taxonomy_in_the_header(tmp_path: Path, header: str) -> None:
    found = read(write(tmp_path, f">{header}\nACGT\n", "ref.fa.gz"))
    assert list(found) == ["x"]
    assert found["x"].taxon.ranks == (
        *("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Hesperiidae", "Spialia", "doris"),
    )


def test_ranks_that_are_not_known_stay_empty(tmp_path: Path) -> None:
    found = read(write(tmp_path, ">x k__Animalia;p__;c__unclassified;g__Spialia;s__Spialia_sp\nACGT\n"))
    assert found["x"].taxon.ranks == ("Animalia", "", "", "", "", "Spialia", "")


def test_a_lineage_alone_gets_its_number_and_its_levels(tmp_path: Path) -> None:
    path = write(tmp_path, ">root;Animalia;Insecta;\nACGT\n>root;Animalia;\nACGA\n", "training_set.fasta")
    found = read(path, levels=[None, "kingdom", "class"])
    assert list(found) == ["training_set_1", "training_set_2"]
    assert [one.taxon.class_ for one in found.values()] == ["Insecta", ""]
    assert {one.taxon.kingdom for one in found.values()} == {"Animalia"}


def test_plain_headers_and_defects(tmp_path: Path) -> None:
    text = ">a some words\nACGT\n>b\n\n>c\nMNPLEF\n>a\nAC\n> \nACGT\n>d\nGGGG"
    source = FastaSource(write(tmp_path, text))
    found = {one.id: one for one in source}
    assert {name: one.dna for name, one in found.items()} == {"a": "ACGT", "d": "GGGG"}
    assert found["a"].metadata == {"title": "some words"}
    assert source.defects.counts == {"no_image_no_dna": 1, "bad_barcode": 1, "duplicate_id": 1, "missing_id": 1}
    assert str(source.defects.of("bad_barcode")[0]).startswith("barcodes.fasta record 3: 'MNPLEF...' holds 'E'")


def test_gaps_and_unknown_bases_are_no_barcode(tmp_path: Path) -> None:
    source = FastaSource(write(tmp_path, ">a\nNNNN\nNN\n>b\n--..\n>c\n-ACGT-\n>d\n??N\n"))
    assert [one.id for one in source] == ["c"]
    assert source.defects.counts == {"no_image_no_dna": 3}
    assert "record 1: the sequence is gaps and unknown bases alone" in str(source.defects.of("no_image_no_dna")[0])


@pytest.mark.parametrize(
    ("content", "settings", "told"),
    [
        (b"@read\nACGT\n", {}, "is it FASTA"),
        (b"", {}, "is it FASTA"),
        (">ä\nACGT\n".encode("latin-1"), {}, "source.encoding"),
        (b">a\nAC\n", {"header": "bolt"}, "did you mean 'bold'"),
        (b">a\nAC\n", {"levels": ["kingdom", "ordo"]}, "did you mean 'order'"),
        (b">a\nAC\n", {"encoding": "utf-9"}, "utf-9"),
    ],
)
def test_what_cannot_be_read_gives_one_line(
    tmp_path: Path, content: bytes, settings: dict[str, object], told: str
) -> None:
    (tmp_path / "x.fasta").write_bytes(content)
    with pytest.raises(ClipbioError, match=told) as caught:
        read(tmp_path / "x.fasta", **settings)
    assert "\n" not in str(caught.value)


def test_a_damaged_or_missing_file_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n" * 999)[:-20])
    with pytest.raises(ClipbioError, match=r"x.fa.gz: after record \d+ it cannot be read"):
        read(tmp_path / "x.fa.gz")
    with pytest.raises(ClipbioError, match="is not there"):
        read(tmp_path / "y.fasta")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([">", "|", ";", "k__", "tax=k:", "\n", "\r\n", " ", "a", "Aus bus", "ACGT", "COI-5P"]),
        max_size=30,
    )
)
def test_wild_text_gives_specimens_defects_or_one_line(tmp_path: Path, pieces: list[str]) -> None:
    source = FastaSource(write(tmp_path, "".join(pieces)))
    if not any(line.startswith(">") for line in "".join(pieces).splitlines()):
        with pytest.raises(ClipbioError, match="is it FASTA"):
            list(source)
        return
    found = list(source)
    assert len({one.id for one in found}) == len(found)
    assert all(one.dna for one in found)


def test_prepare_reads_fasta(tmp_path: Path) -> None:
    write(tmp_path, BOLD, "bold.fas")
    out = tmp_path / "shards"
    assert main(["prepare", "source=fasta", f"source.root={tmp_path / 'bold.fas'}", f"out={out}"]) == 0
    assert Manifest.load(out).samples == 5
    again = FastaSource(tmp_path / "bold.fas", marker=None)
    assert again.fingerprint() != FastaSource(tmp_path / "bold.fas").fingerprint()
