"""Write a folder as yours could be: python own_data.py FLORA. The plants are invented, the files are ordinary ones."""

import csv
import sys
from pathlib import Path

from clipbio.virtual import VirtualHerbarium

root = Path(sys.argv[1])
(root / "images").mkdir(parents=True)
herbarium = VirtualHerbarium(num_species=40, num_unseen=10, specimens_per_species=8, label="none")

with (root / "specimens.csv").open("w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    ranks = ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    table.writerow(["specimen_id", "image", *ranks, "common_name", "group_id", "split"])
    for sheet in herbarium.sheets:
        (root / "images" / f"{sheet.id}.jpg").write_bytes(herbarium.draw(sheet).image)
        names = [*sheet.species.ranks, sheet.species.common_name]
        table.writerow([sheet.id, f"images/{sheet.id}.jpg", *names, sheet.group_id, sheet.split])

with (root / "descriptions.csv").open("w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(["scientific_name", "description"])
    for species in herbarium.species:
        table.writerows([species.scientific_name, words.text] for words in herbarium.describe(species))
