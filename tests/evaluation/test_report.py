import io
import math
import re

import pytest
import torch
from PIL import Image

from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.report import write_report
from clipbio.evaluation.retrieval import Retrieval
from clipbio.evaluation.sections import class_accuracy, family_confusion
from clipbio.evaluation.zero_shot import ZeroShot

HOSTILE = "<script>alert(1)</script> | $\\frac{ \"'`[x](javascript:1)"


def picture(specimen_id: str) -> bytes | None:
    del specimen_id
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), "green").save(buffer, format="PNG")
    return buffer.getvalue()


def results_of(data, encode, *, text_types=("common", "description")):
    return [ZeroShot(text_types, permutations=20).run(data, encode), Retrieval().run(data, encode)]


def report(folder, results=(), **options):
    metrics = {key: number for result in results for key, number in result.metrics.items()}
    page = write_report(
        folder,
        title=options.pop("title", "A report"),
        summary=options.pop("summary", {"Data": {"test": 18, "skipped": 2}}),
        metrics=metrics | options.pop("metrics", {}),
        results=results,
        **options,
    )
    return page.read_text(encoding="utf-8"), (folder / "report.md").read_text(encoding="utf-8")


def test_page_is_self_contained_and_works_without_scripts(tmp_path, world):
    one = world()
    history = [{"step": step, "train/loss": 1 / step, "zero_shot/val/mean/top1": 0.5} for step in range(1, 9)]
    html, text = report(tmp_path, results_of(one.split(), one.encode), thumbnail=picture, history=history)
    assert "<script" not in html
    assert all(address.startswith(("data:image/", "#")) for address in re.findall(r'(?:src|href)="([^"]*)"', html))
    assert 'name="viewport"' in html
    for title in ("Loss", "Validation", "Accuracy by class", "Confusion by family", "Best: right"):
        assert title in html
    for address in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / address).stat().st_size > 0
    assert "100.0" in text


def test_hostile_names_do_no_harm(tmp_path, world, thing):
    bad = thing(taxon=thing(0, family=HOSTILE).taxon, label=HOSTILE, common_names=(HOSTILE,))
    worse = thing(label=HOSTILE, descriptions=(f"{HOSTILE} 1",))
    data = SplitData.build("test", [HOSTILE, "b"], vectors_ND=torch.eye(64)[[1, 1]], named=[bad, worse])
    html, text = report(
        tmp_path,
        results_of(data, world().encode),
        thumbnail=picture,
        title=HOSTILE,
        summary={HOSTILE: {HOSTILE: HOSTILE}},
        history=[{"step": 1, f"{HOSTILE}/loss": 1.0, "other/loss": 2.0}],
    )
    assert "alert(1)" in html
    assert "<script" not in html
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert sorted(path.suffix for path in (tmp_path / "report_files").iterdir()).count(".png") >= 3


@pytest.mark.parametrize("classes", [0, 1, 2])
def test_empty_and_one_class_evaluations_are_reported(tmp_path, world, classes):
    one = world(classes=classes)
    html, text = report(tmp_path, results_of(one.split(torch.eye(64)[: 3 * classes]), one.encode))
    assert ("Nothing was evaluated" in html) == (classes == 0)
    assert ("Nothing was evaluated" in text) == (classes == 0)


def test_report_of_a_model_of_nan(tmp_path, world):
    one = world()
    html, _ = report(tmp_path, results_of(one.split(torch.full((18, 64), math.nan)), one.encode), thumbnail=picture)
    assert "no single best answer" in html


def test_not_finite_history_is_left_out(tmp_path):
    history = [{"step": 1, "train/loss": math.nan, "train/lr": None}, {"step": 2, "train/loss": 1.0}]
    html, _ = report(tmp_path, history=history)
    assert "Loss" in html
    assert "Learning rate" not in html


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_broken_pictures_leave_a_blank(tmp_path, world, content):
    one = world()
    html, _ = report(tmp_path, results_of(one.split(), one.encode), thumbnail=lambda _: content)
    assert 'class="blank"' in html
    assert not list((tmp_path / "report_files").glob("*.jpg"))


def test_pictures_of_an_earlier_report_are_removed(tmp_path, world):
    folder = tmp_path / "report_files"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"old")
    (folder / "notes.txt").write_text("mine")
    report(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_the_same_results_give_the_same_page(tmp_path, world):
    one = world()
    first = report(tmp_path / "a", results_of(one.split(), one.encode), thumbnail=picture)
    assert first == report(tmp_path / "b", results_of(one.split(), one.encode), thumbnail=picture)


def test_wrong_answers_are_shown_with_what_they_were_taken_for(tmp_path, world):
    one = world(classes=2, per_class=1)
    html, text = report(tmp_path, [ZeroShot(["common"]).run(one.split(torch.eye(64)[[1, 0]]), one.encode)])
    assert re.search(r"<i>Genus species00</i>.*?taken for <i>Genus species01</i>", html, flags=re.DOTALL)
    assert "*Genus species00* | *Genus species01*" in text


def test_accuracy_and_confusion_count_what_was_answered(world):
    one = world(classes=4, per_class=1)  # families: 0 0 1 1
    detail = ZeroShot(["common"]).run(one.split(torch.eye(64)[[0, 2, 2, 3]]), one.encode).details[0]
    assert [row.accuracy for row in class_accuracy(detail)] == [1, 0, 1, 1]
    names, counts = family_confusion(detail)
    assert names == ["Family0", "Family1"]
    assert counts.tolist() == [[1, 1], [0, 2]]


def test_rare_families_are_taken_together(world):
    one = world(classes=64, per_class=1)
    names, counts = family_confusion(ZeroShot(["common"]).run(one.split(), one.encode).details[0])
    assert len(names) == 31
    assert names[-1] == "other families"
    assert counts.sum() == 64
    assert counts[-1, -1] == 4


def test_the_row_of_chance_and_the_note_stand_where_they_say_something(tmp_path, world):
    path = "open_set/test+unseen/image_to_image"
    metrics = {f"{path}/top1": 0.5, f"{path}/top1/n": 4, f"{path}/auroc": 0.7, f"{path}/auroc/n": 4,
               f"{path}/auroc/chance": 0.5}  # fmt: skip
    html, text = report(tmp_path, metrics=metrics)
    assert '<tr class="chance">' in html
    assert "| *chance* | | 50.0 | |" in text
    for page in (html, text):
        assert "Percent" in page
        assert "permuted" not in page
    html, text = report(tmp_path, results_of(world().split(), world().encode))
    assert "Texts permuted” is a control" in html
    assert '"Texts permuted" is a control' in text
