"""Shards as BioCLIP wrote them: what is read from them, and training on them where they stand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from foreign import PICA, bioclip_samples, bioclip_texts, tree_of_life, write_tar
from tables import encoded

from clipbio.data.foreign.bioclip import BioclipLayout
from clipbio.data.shards import ShardError, ShardFolder, resolve
from clipbio.data.sources import WebdatasetSource
from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon
from clipbio.text import render

REGIMES = {
    "sci": "scientific",
    "com": "common",
    "taxon": "taxonomic",
    "taxonTag": "taxonomic_tagged",
    "sci_com": "scientific_common",
    "taxon_com": "taxonomic_common",
}
ALL = tuple(REGIMES)


def read(texts: dict[str, str]) -> Specimen:
    return BioclipLayout().specimen("key", {name.lower(): text.encode() for name, text in texts.items()})


def opened(root: Path, tmp_path: Path) -> ShardFolder:
    return resolve(root, tmp_path / "cache", progress=False)


@pytest.mark.parametrize(
    ("ranks", "common", "equal"),
    [
        (PICA, "black-billed magpie", ALL),
        # Without a vernacular name BioCLIP repeats the scientific name as "common name"; the house does not say it.
        (PICA, "", ("sci", "com", "taxon", "taxonTag")),
        (("Animalia", "Chordata", "", "", "Corvidae", "Pica", "hudsonia"), "black-billed magpie", ALL),
        (("", "", "", "", "", "Pica", "hudsonia"), "magpie", ALL),
        # A genus alone is no binomial: the house tells all known ranks instead of "a photo of Pica.".
        ((*PICA[:6], ""), "magpies", ("com", "taxon", "taxonTag", "taxon_com")),
        # The degenerate "a photo of ." of four in five BIOSCAN images does not arise.
        (("Animalia", "Arthropoda", "Insecta", "Diptera", "Cecidomyiidae", "", ""), "", ("com", "taxon", "taxonTag")),
        (("Animalia", "Arthropoda", "Insecta", "", "", "", ""), "insects", ("com", "taxon", "taxonTag", "taxon_com")),
    ],
)
def test_our_texts_equal_bioclips_members(ranks: tuple[str, ...], common: str, equal: tuple[str, ...]) -> None:
    texts = bioclip_texts(ranks, common)
    specimen = read(texts)
    assert specimen.taxon.ranks == ranks
    assert specimen.common_names == ((common,) if common else ())
    ours = {member: render(specimen, regime).text for member, regime in REGIMES.items()}
    assert {member for member in REGIMES if ours[member] == texts[f"{member}.txt"]} == set(equal)


def test_the_degenerate_caption_becomes_the_known_ranks() -> None:
    texts = bioclip_texts(("Animalia", "Arthropoda", "Insecta", "Diptera", "Cecidomyiidae", "", ""))
    assert texts["sci.txt"] == "a photo of ."
    lineage = "a photo of Animalia Arthropoda Insecta Diptera Cecidomyiidae."
    assert render(read(texts), "scientific").text == render(read(texts), "scientific_common").text == lineage


@pytest.mark.parametrize(
    ("ranks", "known", "label"),
    [
        (PICA, PICA, ""),
        ((*PICA[:5], "", ""), (*PICA[:5], "", ""), ""),
        ((*PICA[:6], ""), (*PICA[:6], ""), ""),
        (("Animalia", "", "", "", "", "", ""), ("Animalia", "", "", "", "", "", ""), ""),
        # Which of phylum, class and order is missing cannot be told: they stay unknown, the words stay as label.
        (
            ("Animalia", "Chordata", "", "Passeriformes", "Corvidae", "Pica", "hudsonia"),
            ("Animalia", "", "", "", "Corvidae", "Pica", "hudsonia"),
            "Animalia Chordata Passeriformes Corvidae Pica hudsonia",
        ),
        (("", "", "Aves", "", "", "Pica", "hudsonia"), ("", "", "", "", "", "Pica", "hudsonia"), "Aves Pica hudsonia"),
    ],
)
def test_without_tags_only_certain_ranks_are_told(ranks: tuple[str, ...], known: tuple[str, ...], label: str) -> None:
    texts = {name: text for name, text in bioclip_texts(ranks).items() if not name.startswith("taxonTag")}
    specimen = read(texts)
    assert specimen.taxon.ranks == known
    assert specimen.label == label


def test_captions_markers_and_odd_tags() -> None:
    # BioCLIP 2 writes five members, and these words where it knew no rank.
    unknown = dict.fromkeys(("sci.txt", "taxon.txt", "taxonTag.txt"), "a photo of unknown taxonomy.")
    assert not read(unknown | {"taxonomic_name.txt": "unknown taxonomy", "scientific_name.txt": ""}).has_name
    captioned = read(bioclip_texts(PICA) | {"caption.txt": "A black and white bird on a fence. \n"})
    assert captioned.descriptions == ("A black and white bird on a fence.",)
    assert read({"txt": "one caption\ntwo captions\n\n"}).descriptions == ("one caption", "two captions")
    virus = "a photo of kingdom Viruses family Orthomyxoviridae genus Influenza virus A."
    assert read({"taxonTag.txt": virus}).taxon == Taxon(kingdom="Viruses", family="Orthomyxoviridae", genus="Influenza")
    twisted = read({"taxonTag.txt": "a photo of species hudsonia genus Pica."})
    assert twisted.taxon == Taxon()
    with pytest.raises(ShardError, match=r"'\.caption\.txt' is not UTF-8"):
        BioclipLayout().specimen("key", {"caption.txt": b"\xff\xfe\x00"})


@pytest.mark.parametrize("pax", [True, False])
def test_shards_are_read_where_they_stand(tmp_path: Path, pax: bool) -> None:
    samples = [(key, {**members, "caption.txt": f"caption of {key}"}) for key, members in bioclip_samples(7)]
    write_tar(tmp_path / "wds/train/a.tar", samples[:4], pax=pax)
    write_tar(tmp_path / "wds/train/b.tar", samples[4:], pax=pax)
    folder = opened(tmp_path / "wds", tmp_path)
    index = folder.index("train")
    assert folder.manifest.layout == "bioclip"
    assert [shard.samples for shard in index.shards] == [4, 3]
    assert list(index.ids) == [key for key, _ in samples]
    for row in (6, 0, 3):
        key, members = samples[row]
        for specimen in (index.read(row), index.read(row, image=False)):
            assert specimen.id == key
            assert specimen.taxon.ranks[:6] == PICA[:6]
            assert specimen.common_names == (members["common_name.txt"],)
            assert specimen.descriptions == (f"caption of {key}",)
        assert index.read(row).image == members["jpg"]
        assert index.read(row, image=False).image is None
    assert len(set(index.image_digests)) == 7
    assert len(index.taxa) == 4


def test_the_folders_of_tree_of_life(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tree_of_life(tmp_path / "evobio10m-v3")
    for given in (tmp_path, root, root / "224x224"):
        if given != tmp_path:
            assert opened(given, tmp_path).splits == {"train": 30, "val": 6}
    assert "train_small is no split that is known: its 1 tars are not read" in caplog.text
    assert opened(root / "224x224/val", tmp_path).splits == {"val": 6}
    assert opened(root / "224x224/train_small", tmp_path).splits == {"train": 4}
    shutil.copytree(root / "224x224", root / "336x336")
    with pytest.raises(ClipbioError, match=r"images of several sizes \(224x224, 336x336\): give one of these"):
        opened(root, tmp_path)


def test_the_index_is_made_once_and_again_when_a_tar_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "clipbio")
    root = tree_of_life(tmp_path / "tol")
    first = opened(root, tmp_path)
    assert "images are told apart by their place" in caplog.text
    assert (first.root / "index.parquet").is_file()
    assert first.root.parent == tmp_path / "cache/foreign"
    again = opened(root, tmp_path)
    assert again.root == first.root
    assert again.manifest.hash == first.manifest.hash
    shutil.copytree(root, tmp_path / "copy")
    assert opened(tmp_path / "copy", tmp_path).manifest.hash == first.manifest.hash
    write_tar(root / "224x224/val/shard-000000.tar", bioclip_samples(3, first=50))
    assert opened(root, tmp_path).splits == {"train": 30, "val": 3}


def test_defects_are_told_and_too_many_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = bioclip_samples(30)
    no_image = ("no-image", bioclip_texts(PICA))
    write_tar(tmp_path / "one/a.tar", [*samples, no_image, samples[0]])
    folder = opened(tmp_path / "one", tmp_path)
    assert folder.splits == {"train": 30}
    assert {kind: told["count"] for kind, told in folder.manifest.defects.items()} == {
        "duplicate_id": 1,
        "missing_image": 1,
    }
    assert "2 samples left out" in caplog.text
    write_tar(tmp_path / "two/a.tar", [*samples[:4], no_image])
    with pytest.raises(ClipbioError, match=r"1 of 5 samples are unusable, more than max_defect_share=0\.1"):
        opened(tmp_path / "two", tmp_path)
    write_tar(tmp_path / "three/a.tar", [("bare", {"jpg": encoded(1)})])
    assert opened(tmp_path / "three", tmp_path).manifest.unnamed == 1


def test_a_damaged_shard_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "wds/a.tar", bioclip_samples(5))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(ShardError, match=r"a\.tar: the tar is cut off after 60000 bytes.*; fetch that shard again"):
        opened(tmp_path / "wds", tmp_path)


def test_what_changes_under_an_open_index_is_told(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "wds/a.tar", bioclip_samples(5), pax=False)
    index = opened(tmp_path / "wds", tmp_path).index("train")
    path.write_bytes(path.read_bytes().replace(b"species nuttalli", b"species nuttallx"))
    with pytest.raises(ShardError, match=r"the index .*Pica nuttalli"):
        index.read(2)
    write_tar(path, bioclip_samples(5, first=90), pax=False)
    with pytest.raises(ShardError, match="the index points to 0000005c"):
        index.read(2)


def test_what_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(tmp_path / "wds/a.tar", bioclip_samples(3))

    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", denied)
        (tmp_path / "empty").mkdir()
        with pytest.raises(ClipbioError, match=r"empty cannot be read \(Permission denied: .*empty\)"):
            opened(tmp_path / "empty", tmp_path)
    source = WebdatasetSource(str(tmp_path / "wds"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        assert list(source) == []
    assert str(source.defects.of("damaged_shard")[0]) == "a.tar: it cannot be read (Permission denied)"
