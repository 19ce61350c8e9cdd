"""Small made-up data in the layouts of published data sets, one writer per layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bioscan_tables import row_1m, row_5m, write_1m, write_5m
from tables import encoded

RANKS = "kingdom,phylum,cls,order,family,genus,species"
MAGPIE = "Animalia,Chordata,Aves,Passeriformes,Corvidae,Pica,hudsonia"
JAY = "Animalia,Chordata,Aves,Passeriformes,Corvidae,Cyanocitta,cristata"
TRAITS = "FeedingPath,Tropical,Temperate,Subtropical,Boreal,Polar,freshwater,saltwater,brackish"


def write(root: Path, files: dict[str, str]) -> Path:
    """Write text files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def picture(root: Path, *names: str) -> Path:
    """Write pictures, each another one."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(sum(map(ord, name))))
    return root


def labels_csv(root: Path, classes: Sequence[str] = ("Emiliania_huxleyi", "Tomato___Late_blight")) -> Path:
    """Write a metadata CSV of class strings, as those of Meta-Album in the BioCLIP repository."""
    names = [(f"{name}/{place}.png", name) for name in classes for place in range(2)]
    picture(root, *(name for name, _ in names))
    rows = [f"{place},{path},{name}" for place, (path, name) in enumerate(names)]
    return write(root, {"metadata.csv": "\n".join([",filepath,class", *rows])})


def taxa_csv(root: Path) -> Path:
    """Write a metadata CSV with ranks, as that of Rare Species; its pictures lie in other folders than it says."""
    picture(root, "dataset/a/m1.jpg", "dataset/a/m2.jpg", "dataset/b/j1.jpg")
    rows = [
        f",{RANKS},common_name,filepath,class",
        f"0,{MAGPIE},black-billed magpie,2024-03-20/m1.jpg,Pica hudsonia",
        f"1,{MAGPIE},black-billed magpie,2024-03-20/m2.jpg,Pica hudsonia",
        f"2,{JAY},,2024-03-20/j1.jpg,Cyanocitta cristata",
    ]
    return write(root, {"metadata.csv": "\n".join(rows)})


def camera_csv(root: Path, name: str) -> Path:
    """Write one of the camera-trap sets; the species of the last row is not known."""
    picture(root, f"data/test/{name}/1.jpg", f"data/test/{name}/2.jpg", f"data/test/{name}/3.jpg")
    ranks = "kingdom,phylum,class,order,family,genus,species"
    rows = [
        f",url_gcp,image_id,sequence_id,location_id,original_label,scientific_name,common_name,{ranks},filepath",
        f"0,gs://x/1,i1,s1,l1,bird,Pica hudsonia,magpie,{MAGPIE.replace('hudsonia', 'Pica hudsonia')},1.jpg",
        f"1,gs://x/2,i2,s1,l1,jay,Cyanocitta cristata,blue jay,{JAY},2.jpg",
        "2,gs://x/3,i3,s2,l1,rat,Rattus,rat,Animalia,Chordata,Mammalia,Rodentia,Muridae,Rattus,,3.jpg",
    ]
    return write(root, {f"{name}-balanced.csv": "\n".join(rows)})


def cub(root: Path) -> Path:
    """Write the files of CUB-200-2011."""
    classes = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    paths = [f"{name}/{place}.jpg" for name in classes for place in range(3)]
    picture(root, *(f"images/{path}" for path in paths))
    return write(
        root,
        {
            "images.txt": "\n".join(f"{place} {path}" for place, path in enumerate(paths, start=1)),
            "classes.txt": "\n".join(f"{place} {name}" for place, name in enumerate(classes, start=1)),
            "image_class_labels.txt": "\n".join(f"{place} {1 + place // 4}" for place in range(1, 7)),
            "train_test_split.txt": "\n".join(f"{place} {int(place % 3 == 1)}" for place in range(1, 7)),
        },
    )


def nabirds(root: Path) -> Path:
    """Write the files of NABirds, whose ids are names and whose classes have a tree."""
    picture(root, "images/0817/aa.jpg", "images/0372/bb.jpg", "images/0372/cc.jpg")
    return write(
        root,
        {
            "images.txt": "a-a 0817/aa.jpg\nb-b 0372/bb.jpg\nc-c 0372/cc.jpg\n",
            "classes.txt": "0 Birds\n22 Hummingbirds\n372 Broad-billed Hummingbird (Adult Male)\n817 Oak Titmouse\n",
            "image_class_labels.txt": "a-a 817\nb-b 372\nc-c 372\n",
            "train_test_split.txt": "a-a 1\nb-b 0\nc-c 1\n",
            "hierarchy.txt": "372 22\n22 0\n817 0\n",
            "photographers.txt": "a-a Ann Other\n",
        },
    )


def newt(root: Path) -> Path:
    """Write NeWT with two tasks of eight pictures."""
    head = "id,task_cluster,task_subcluster,task,label,text_label,split,height,width"
    rows, names = [head], []
    for task, cluster, sub in (("ml_age_hawk", "appearance", "age"), ("ml_bio_pole", "context", "")):
        for place in range(8):
            names.append(f"newt2021_images/{task}-{place}.jpg")
            split, label = ("train", "test")[place >= 4], place % 2
            rows.append(f"{task}-{place},{cluster},{sub},{task},{label},{('neg', 'pos')[label]},{split},8,8")
    return write(picture(root, *names), {"newt2021_labels.csv": "\n".join(rows)})


def fishnet(root: Path) -> Path:
    """Write FishNet; the traits of the last fish of each table are not known."""
    head = f",Unnamed: 0,species,image,Genus,Family,Order,Class,Folder,{TRAITS}"
    kinds = ("benthic,1,1,1,0,0,0,1,1", "pelagic,0,0,0,1,0,1,0,0")
    for split in ("train", "test"):
        rows = [head]
        for place in range(6):
            name = f"{split}{place}.jpg"
            picture(root, f"Image_Library/Sparidae/{name}")
            told = kinds[place % 2] if place < 5 else "," * 8
            species = "Diplodus sargus" if place % 2 else ""
            rows.append(
                f"{place},{place},{species},some/{name},Diplodus,Sparidae,Perciformes,Actinopteri,Sparidae,{told}"
            )
        write(root, {f"anns/{split}.csv": "\n".join(rows)})
    return root


def awa2(root: Path) -> Path:
    """Write AwA2 with three classes and three attributes."""
    for name in ("antelope", "grizzly+bear", "horse"):
        picture(root, *(f"JPEGImages/{name}/{name}_{place}.jpg" for place in range(2)))
    return write(
        root,
        {
            "classes.txt": "     1\tantelope\n     2\tgrizzly+bear\n     3\thorse\n",
            "predicates.txt": "    1\tblack\n    2\twhite\n    3\tbig\n",
            "predicate-matrix-binary.txt": "0 1 0\n1 0 1\n1 1 1\n",
            "trainclasses.txt": "antelope\ngrizzly+bear\n",
            "testclasses.txt": "horse\n",
        },
    )


def herbarium19(root: Path) -> Path:
    """Write the small Herbarium 2019 with four classes."""
    for folder in ("small-train", "small-validation"):
        picture(root, *(f"{folder}/{name}/{place}.jpg" for name in ("0", "1", "10", "2") for place in range(3)))
    return write(root, {"class_splits.json": json.dumps({"Old": [0, 2], "New": [1, 3]})})


def inquire(root: Path) -> Path:
    """Write INQUIRE-Rerank with one query for validation and two for the test, which share a picture."""
    (root / "data").mkdir(parents=True)
    for split, queries in (("validation", ("an owl",)), ("test", ("a bat at night", "a leaf with mildew"))):
        rows = [
            {
                "image": {"bytes": encoded(place), "path": f"{place}.jpg"},
                "query": query,
                "relevant": place % 2,
                "inat24_image_id": place,
                "supercategory": "Behavior",
                "category": "Night",
                "iconic_group": "Mammals",
                "inat24_species_name": "Myotis myotis",
                "license": "CC-BY",
                "rights_holder": "Ann Other",
            }
            for query in queries
            for place in range(4)
        ]
        pq.write_table(pa.Table.from_pylist(rows), root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def split_folders(root: Path, splits: Sequence[str], classes: Sequence[str]) -> Path:
    """Write a folder per split and class."""
    return picture(root, *(f"{split}/{name}/{i}.jpg" for split in splits for name in classes for i in range(3)))


def bioscan_1m(root: Path) -> Path:
    """Write BIOSCAN-1M with CLIBD's partitions of two specimens each."""
    names = ("val_seen", "test_seen", "seen_keys", "val_unseen", "test_unseen", "val_unseen_keys", "test_unseen_keys")
    members = {name: [f"{name}{place}" for place in range(2)] for name in names}
    write_1m(root.parent, [row_1m(one) for ones in members.values() for one in ones], members)
    return root


def bioscan_5m(root: Path) -> Path:
    """Write BIOSCAN-5M with two specimens per split."""
    names = ("train", "val", "test", "key_unseen", "val_unseen", "test_unseen")
    rows = [row_5m(f"{name}{place}", name, "0" if name == "train" else "") for name in names for place in range(2)]
    write_5m(root.parent, rows)
    return root


INAT21 = (
    "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
    "03111_Animalia_Chordata_Aves_Passeriformes_Corvidae_Pica_hudsonia",
)

SETS: dict[str, Callable[[Path], Path]] = {
    "plankton": labels_csv,
    "insects": labels_csv,
    "insects2": labels_csv,
    "plantnet": labels_csv,
    "fungi": labels_csv,
    "plantvillage": labels_csv,
    "medicinal_leaf": labels_csv,
    "plantdoc_mini": labels_csv,
    "birds525": taxa_csv,
    "rare_species": taxa_csv,
    "ena24": lambda root: camera_csv(root, "ENA24"),
    "desert_lion": lambda root: camera_csv(root, "desert-lion"),
    "island": lambda root: camera_csv(root, "island"),
    "ohio_small_animals": lambda root: camera_csv(root, "ohio-small-animals"),
    "orinoquia": lambda root: camera_csv(root, "orinoquia"),
    "nabirds": nabirds,
    "cub": cub,
    "newt": newt,
    "fishnet": fishnet,
    "awa2": awa2,
    "herbarium19": herbarium19,
    "inquire": inquire,
    "plantdoc": lambda root: split_folders(root, ("train", "test"), ("Apple Scab Leaf", "Corn rust leaf")),
    "bioscan_1m": bioscan_1m,
    "bioscan_5m": bioscan_5m,
    "inat21": lambda root: split_folders(root, ("val", "train_mini"), INAT21),
}
"""The writer of each data set of conf/benchmark/."""
