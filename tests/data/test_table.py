from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import PICA, MakeTable, rows_of, write_csv

from clipbio.data.sources import TableSource, expected_total
from clipbio.errors import ClipbioError


def kinds(source: TableSource) -> dict[str, int]:
    return source.defects.counts


def test_every_column_of_the_contract_is_read(make_table: MakeTable) -> None:
    row = rows_of(1)[0] | {
        "common_name": "Magpie",
        "description": "Black and white.",
        "dna": "ACGT",
        "bin": "BOLD:AAA0001",
        "mask": "images/0.jpg",
        "split": "unseen",
        "group_id": "nest 7",
        "label": "juvenile",
        "licence": "CC0",
        "rights_holder": "Museum",
        "collector": 'O\'Neill, "Ned"',
        "altitude": "",
    }
    root = make_table([row])
    (specimen,) = TableSource(root)
    assert specimen.id == "bird-0"
    assert specimen.taxon.ranks == tuple(PICA.values())
    assert (specimen.image, specimen.mask) == (root / "images/0.jpg", root / "images/0.jpg")
    assert specimen.common_names == ("Magpie",)
    assert specimen.descriptions == ("Black and white.",)
    assert (specimen.dna, specimen.bin, specimen.split) == ("ACGT", "BOLD:AAA0001", "unseen")
    assert (specimen.group_id, specimen.label) == ("nest 7", "juvenile")
    assert (specimen.licence, specimen.rights_holder) == ("CC0", "Museum")
    assert specimen.metadata == {"collector": 'O\'Neill, "Ned"'}


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "parquet"])
def test_all_forms_give_the_same_specimens(make_table: MakeTable, form: str) -> None:
    rows = rows_of(3, description='A "quoted", long\ttext.', common_name="Elster & Häher")
    root = make_table(rows)
    expected = list(TableSource(root))
    (root / "specimens.csv").unlink()
    path = root / f"specimens.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_csv(root / "plain", rows, delimiter="\t" if form == "tsv" else ",")
        data = (root / "plain").read_bytes()
        path.write_bytes(gzip.compress(data) if form.endswith("gz") else data)
    assert list(TableSource(root)) == expected


def test_parquet_keeps_types_lists_and_missing_values(make_table: MakeTable) -> None:
    root = make_table(rows_of(1))
    (root / "specimens.csv").unlink()
    row = {
        "specimen_id": 17,
        "image": "images/0.jpg",
        "common_name": ["Magpie", "Elster"],
        "split": None,
        "height": 3.5,
    }
    pq.write_table(
        pa.Table.from_pylist([row, row | {"specimen_id": 18, "height": float("nan")}]), root / "specimens.parquet"
    )
    first, second = TableSource(root)
    assert (first.id, first.common_names, first.split) == ("17", ("Magpie", "Elster"), "train")
    assert first.metadata == {"height": 3.5}
    assert second.metadata == {}


def test_bom_empty_split_and_placeholders(make_table: MakeTable) -> None:
    rows = rows_of(1, common_name="unknown", bin="not_classified", group_id="unknown", split="")
    root = make_table([rows[0] | {"species": "not_classified"}])
    path = root / "specimens.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (specimen,) = TableSource(root)
    assert specimen.split == "train"
    assert (specimen.taxon.genus, specimen.taxon.species) == ("Pica", "")
    assert (specimen.common_names, specimen.bin, specimen.group_id) == ((), "", "")


@pytest.mark.parametrize("missing", ["NA", "None", "none"])
def test_missing_values_of_other_programs_are_none_but_in_metadata(make_table: MakeTable, missing: str) -> None:
    fields = ("dna", "bin", "group_id", "label", "licence", "rights_holder", "mask", "split", "description")
    rows = rows_of(2, **dict.fromkeys((*fields, "countryCode"), missing))
    source = TableSource(make_table([rows[0], rows[1] | {"image": missing}]))
    (specimen,) = source
    assert [getattr(specimen, name) for name in fields[:6]] == [""] * 6
    assert (specimen.mask, specimen.split, specimen.descriptions) == (None, "train", ())
    assert specimen.metadata == {"countryCode": missing}
    assert kinds(source) == {"no_image_no_dna": 1}


@pytest.mark.parametrize("dna", ["NNNN", "----", "..N?"])
def test_gaps_and_unknown_bases_alone_are_no_barcode(make_table: MakeTable, dna: str) -> None:
    rows = rows_of(2, dna=dna)
    source = TableSource(make_table([rows[0], rows[1] | {"image": ""}]))
    assert [specimen.id for specimen in source] == [rows[0]["specimen_id"]]
    assert kinds(source) == {"no_image_no_dna": 1}


def test_unusable_rows_are_counted_with_their_row_and_skipped(make_table: MakeTable) -> None:
    rows = rows_of(6)
    rows[1]["specimen_id"] = "bird-0"
    rows[2]["image"] = "elsewhere/2.jpg"
    rows[3]["image"] = ""
    rows[4]["specimen_id"] = ""
    source = TableSource(make_table(rows))
    assert [specimen.id for specimen in source] == ["bird-0", "bird-5"]
    assert kinds(source) == {"duplicate_id": 1, "missing_image": 1, "no_image_no_dna": 1, "missing_id": 1}
    assert source.defects.skipped == 4
    assert source.defects.of("duplicate_id")[0].where == "specimens.csv row 3"
    assert "row 2" in source.defects.of("duplicate_id")[0].message
    assert "elsewhere/2.jpg" in str(source.defects.of("missing_image")[0])
    assert expected_total(source) == 6
    assert len(list(source)) == 2
    assert source.defects.skipped == 4, "a second reading starts to count anew"


def test_what_is_no_sequence_is_emptied_or_left_out(make_table: MakeTable) -> None:
    rows = rows_of(3, dna="12345 not dna")
    source = TableSource(make_table([rows[0] | {"dna": "acgt-N."}, rows[1], rows[2] | {"image": ""}]))
    assert [specimen.dna for specimen in source] == ["acgt-N.", ""]
    assert (kinds(source), source.defects.skipped) == ({"bad_barcode": 2}, 1)
    assert expected_total(source) == 3


def test_a_parquet_file_that_holds_pictures_is_refused(make_table: MakeTable) -> None:
    root = make_table(rows_of(1))
    (root / "specimens.csv").unlink()
    for image in (b"picture", {"bytes": b"picture", "path": "a.jpg"}):
        pq.write_table(pa.Table.from_pylist([{"specimen_id": "a", "image": image}]), root / "specimens.parquet")
        with pytest.raises(ClipbioError, match="the column 'image' holds pictures, no paths; use source=huggingface"):
            TableSource(root)


def test_messages_of_defects_are_short(make_table: MakeTable) -> None:
    source = TableSource(make_table(rows_of(1, image="x" * 5000)))
    assert list(source) == []
    assert len(source.defects.of("missing_image")[0].message) < 210


def test_rows_that_a_quote_swallows_are_read_or_told(make_table: MakeTable) -> None:
    root = make_table(rows_of(1, dna="ACGT"))
    path = root / "specimens.csv"
    path.write_text('specimen_id,dna,note\na,ACGT,x,"open\nb,ACGT,x\nc,ACGT,end"\nd,ACGT,"open\ne,ACGT,end"\nf,ACGT,\n')
    source = TableSource(root)
    assert [specimen.id for specimen in source] == ["b", "c", "d", "f"]
    assert kinds(source) == {"wrong_width": 1, "quoted_rows": 1}
    assert expected_total(source) == 5


def test_an_id_is_only_taken_by_a_row_that_is_used(make_table: MakeTable) -> None:
    rows = rows_of(2)
    rows[0] |= {"specimen_id": "bird-1", "image": "gone.jpg"}
    source = TableSource(make_table(rows))
    assert [specimen.id for specimen in source] == ["bird-1"]
    assert kinds(source) == {"missing_image": 1}


def test_absolute_paths_barcodes_without_image_and_missing_masks(make_table: MakeTable, tmp_path: Path) -> None:
    rows = rows_of(3, mask="", dna="")
    (tmp_path / "away.jpg").write_bytes(b"x")
    rows[0]["image"] = str(tmp_path / "away.jpg")
    rows[1] |= {"image": "", "dna": "ACGT"}
    rows[2]["mask"] = "masks/none.png"
    source = TableSource(make_table(rows))
    first, second, third = source
    assert first.image == tmp_path / "away.jpg"
    assert (second.image, second.dna) == (None, "ACGT")
    assert third.mask is None
    assert (kinds(source), source.defects.skipped) == ({"missing_mask": 1}, 0)


def test_what_is_no_file_is_no_image(make_table: MakeTable) -> None:
    rows = rows_of(5)
    for row, image in zip(rows, ["images", "/dev/zero", "a\0b", "long " * 1000], strict=False):
        row["image"] = image
    source = TableSource(make_table(rows))
    assert [specimen.id for specimen in source] == ["bird-4"]
    assert kinds(source) == {"missing_image": 4}
    assert source.fingerprint()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("specimen_id,image\n", "no rows"),
        (
            "specimenID,image\na,b\n",
            "the column 'specimen_id' is missing; did you mean to call it so instead of 'specimenID'",
        ),
        ("specimen_id;image\na;b\n", "separated by ';'"),
        ("specimen_id\timage\na\tb\n", "name it .tsv"),
        ("specimen_id,genus\na,Pica\n", "neither a column 'image' nor 'dna'"),
        ("specimen_id,image,image\na,b,c\n", "'image' occurs more than once"),
        ("specimen_id,dna,split\na,ACGT,tset\n", "row 2 has the unknown split 'tset'; did you mean 'test'"),
        ("specimen_id,dna,split\na,ACGT,unknown\n", "row 2 has the unknown split 'unknown'; valid are: train, val"),
        ('specimen_id,dna\na,"ACGT\n', "row 2 cannot be read"),
    ],
)
def test_a_bad_table_gives_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "specimens.csv").write_text(content)
    with pytest.raises(ClipbioError) as caught:
        list(TableSource(tmp_path))
    assert message in str(caught.value)
    assert "specimens.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_encodings_and_broken_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "specimens.csv").write_bytes("specimen_id,dna\na,ACGT\nMüller,ACGT\n".encode("latin-1"))
    with pytest.raises(ClipbioError, match=r"specimens.csv.*not UTF-8"):
        list(TableSource(tmp_path))
    (tmp_path / "specimens.csv").unlink()
    whole = gzip.compress(b"specimen_id,dna\n" + b"".join(b"%d,ACGT\n" % i for i in range(10_000)))
    (tmp_path / "specimens.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipbioError, match="gzip file is damaged"):
        list(TableSource(tmp_path))
    (tmp_path / "specimens.csv.gz").unlink()
    (tmp_path / "specimens.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ClipbioError, match="cannot be read as parquet"):
        TableSource(tmp_path)


def test_no_table_and_two_tables(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"looked for specimens\.csv, .*specimens\.parquet"):
        TableSource(tmp_path)
    with pytest.raises(ClipbioError, match="not a folder"):
        TableSource(tmp_path / "none")
    for name in ("specimens.csv", "specimens.tsv"):
        (tmp_path / name).write_text("specimen_id,dna\n")
    with pytest.raises(ClipbioError, match=r"specimens\.csv and specimens\.tsv; keep one"):
        TableSource(tmp_path)


def test_rows_of_a_wrong_width_are_defects(tmp_path: Path) -> None:
    (tmp_path / "specimens.csv").write_text("specimen_id,dna,note\na,ACGT,x\nb,ACGT\n\nc,ACGT,x,y\nd,ACGT,z\n")
    source = TableSource(tmp_path)
    assert [specimen.id for specimen in source] == ["a", "d"]
    assert kinds(source) == {"wrong_width": 2}


def test_fields_beyond_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    (tmp_path / "specimens.csv").write_text(f"specimen_id,dna\na,{'ACGT' * 100_000}\n")
    (specimen,) = TableSource(tmp_path)
    assert len(specimen.dna) == 400_000


def test_a_mistyped_column_is_warned_of(make_table: MakeTable, caplog: pytest.LogCaptureFixture) -> None:
    TableSource(make_table(rows_of(1, comon_name="Magpie", altitude="3")))
    assert "'comon_name' is kept as metadata; did you mean 'common_name'?" in caplog.text
    assert "altitude" not in caplog.text


def test_side_tables(make_table: MakeTable) -> None:
    descriptions = [
        {
            "scientific_name": "Pica hudsonia (Sabine, 1822)",
            "description": "Long tail.",
            "language": "en",
            "kingdom": "",
        },
        {"scientific_name": "", "description": "Nothing.", "language": "", "kingdom": ""},
        {"scientific_name": "Oenanthe", "description": "A genus.", "language": "", "kingdom": "Plantae"},
        {"scientific_name": "Pica cf. pica", "description": "Doubtful.", "language": "", "kingdom": ""},
        {"scientific_name": "Pica pica", "description": "unknown", "language": "", "kingdom": ""},
    ]
    common_names = [{"scientific_name": "Pica hudsonia", "common_name": "Elster", "language": "de"}]
    source = TableSource(make_table(rows_of(1), descriptions=descriptions, common_names=common_names))
    tail, genus, name = source.species_texts()
    assert (tail.scientific_name, tail.kind, tail.text, tail.language) == (
        "Pica hudsonia",
        "description",
        "Long tail.",
        "en",
    )
    assert (genus.kingdom, genus.scientific_name) == ("Plantae", "Oenanthe")
    assert (name.kind, name.text, name.language) == ("common_name", "Elster", "de")
    assert kinds(source) == {"unusable_text": 3}
    assert source.defects.of("unusable_text")[0].where == "descriptions.csv row 3"


def test_a_side_table_without_its_columns(make_table: MakeTable) -> None:
    root = make_table(rows_of(1), descriptions=[{"scientific name": "Pica hudsonia", "description": "x"}])
    with pytest.raises(
        ClipbioError, match=r"descriptions\.csv.*'scientific_name' is missing; did you mean.*'scientific name'"
    ):
        TableSource(root)


def test_the_fingerprint_follows_content(make_table: MakeTable) -> None:
    root = make_table(rows_of(2))
    before = TableSource(root).fingerprint()
    assert TableSource(root).fingerprint() == before
    os.utime(root / "images/1.jpg", ns=(1, 1))
    touched = TableSource(root).fingerprint()
    write_csv(root / "common_names.csv", [{"scientific_name": "Pica hudsonia", "common_name": "Elster"}])
    named = TableSource(root).fingerprint()
    (root / "images/0.jpg").unlink()
    assert len({before, touched, named, TableSource(root).fingerprint()}) == 4
