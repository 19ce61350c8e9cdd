"""Embeddings are computed once: interrupted runs go on, and nothing stale is ever read."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

import pytest
import torch
from embedding_runs import CPU, TEXTS, connected, count, embed_test, ready
from gardens import picture
from processes import FORKS
from safetensors.torch import save_file

from clipbio.errors import ClipbioError
from clipbio.tasks.embeddings import EmbeddingCache, embed_splits
from clipbio.training.text_store import StoredTexts

ROWS = 24


@pytest.fixture
def garden(make_garden):
    return make_garden()


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "embeddings", part_rows=4)


def in_processes(garden: Path, out: Path, size: int, die_at: int = 0) -> list[int]:
    """Return the rows that all processes encoded in one run; with `die_at` each is killed in that call."""
    processes = [FORKS.Process(target=embed_test, args=(garden, out, rank, size, die_at)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    assert {process.exitcode for process in processes} == {-signal.SIGKILL if die_at else 0}
    calls = list(out.parent.glob(f"{out.name}.*.calls"))
    return [int(line) for path in calls for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("first", "then"), [(1, 1), (1, 2), (2, 1)])
def test_a_killed_run_goes_on_where_it_stopped(first: int, then: int, garden: Path, tmp_path: Path) -> None:
    begun = in_processes(garden, tmp_path / "begun.pt", first, die_at=3 if first == 1 else 2)
    assert begun == [4, 4]
    parts = list((tmp_path / "embeddings").rglob("part-*"))
    assert len(parts) == 2
    resumed = in_processes(garden, tmp_path / "resumed.pt", then)
    assert sum(resumed) == ROWS - 8
    assert set(resumed) == {4}
    model, data = ready(garden)
    torch.set_num_threads(1)
    whole = embed_splits(model, data, ["test"], device=CPU)["test"].images
    found = torch.load(tmp_path / "resumed.pt")
    assert found["ids"] == whole.ids
    assert torch.equal(found["vectors"], whole.vectors_ND)


def test_two_processes_give_what_one_gives_and_a_third_run_encodes_nothing(garden: Path, tmp_path: Path) -> None:
    assert sorted(in_processes(garden, tmp_path / "both.pt", 2)) == [4] * 6
    assert all((tmp_path / f"both.pt.{rank}.calls").exists() for rank in range(2))
    shares = [(tmp_path / f"both.pt.{rank}.texts").read_text() for rank in range(2)]
    assert sorted(shares) == ["2\n", "3\n"]
    found = torch.load(tmp_path / "both.pt")
    model, data, encoder = connected(garden)
    rows, texts = count(model), count(model, modality="text")
    assert torch.equal(StoredTexts(encoder, tmp_path / "embeddings")(TEXTS), found["texts"])
    assert texts == []
    torch.testing.assert_close(encoder(TEXTS), found["texts"], atol=1e-6, rtol=0)
    cache = EmbeddingCache(tmp_path / "embeddings")
    again = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"].images
    assert rows == []
    assert torch.equal(again.vectors_ND, found["vectors"])
    fresh = embed_splits(model, data, ["test"], device=CPU)["test"].images
    assert sum(rows) == ROWS
    assert torch.equal(fresh.vectors_ND, found["vectors"])
    assert again.ids == fresh.ids == found["ids"]


def weights(path: Path, garden: Path) -> Path:
    """Write the weights of a tiny model, as open_clip names them."""
    import open_clip

    from clipbio.models import adapter

    ready(garden)
    name = adapter._canonical(str(Path(adapter.__file__).parent / "configs" / "clipbio_tiny.json"))
    torch.manual_seed(0)
    model = open_clip.create_model(name, force_custom_text=True)
    save_file({key: value.contiguous().clone() for key, value in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("changed", ["visual.proj", "visual.transformer.resblocks.0.attn.in_proj_weight"])
def test_a_changed_weight_file_never_meets_a_stale_store(
    changed: str, garden: Path, cache: EmbeddingCache, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    file = weights(tmp_path / "weights.safetensors", garden)
    first = embed_splits(*ready(garden, f"model.pretrained={file}"), ["test"], device=CPU, cache=cache)["test"]
    state = load_file(file)
    state[changed].view(-1)[0] += 1e-3
    save_file(state, file)
    model, data = ready(garden, f"model.pretrained={file}")
    rows = count(model)
    second = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    assert sum(rows) == ROWS
    assert torch.equal(
        second.images.vectors_ND, embed_splits(model, data, ["test"], device=CPU)["test"].images.vectors_ND
    )
    assert not torch.equal(second.images.vectors_ND, first.images.vectors_ND)


@pytest.mark.parametrize(
    "changed", ["data.decoder=pillow", "data.sheet_mask=true", "model.preprocess.mean=[0.5,0.5,0.5]", "picture"]
)
def test_a_changed_transform_or_picture_is_encoded_anew(changed: str, garden: Path, cache: EmbeddingCache) -> None:
    embed_splits(*ready(garden), ["test"], device=CPU, cache=cache)
    more = (changed,)
    if changed == "picture":
        picture(garden / "images" / "test-0-0.jpg", (1, 2, 3), seed=5)
        more = ()
    model, data = ready(garden, *more)
    rows = count(model)
    embed_splits(model, data, ["test"], device=CPU, cache=cache)
    assert sum(rows) == ROWS


@pytest.mark.parametrize("frozen", [True, False])
def test_a_text_is_encoded_once_by_the_same_tower(frozen: bool, garden: Path, tmp_path: Path) -> None:
    more = ("model.text.unlocked=0",) if frozen else ("cache_features=off",)
    model, _, encoder = connected(garden, *more)
    texts = count(model, modality="text")
    asked = [*TEXTS, TEXTS[0]]
    first = StoredTexts(encoder, tmp_path / "texts")(asked)
    assert texts == [5]
    torch.testing.assert_close(first, encoder(asked), atol=1e-6, rtol=0)
    del texts[:]
    assert torch.equal(StoredTexts(encoder, tmp_path / "texts")([TEXTS[3], TEXTS[1]]), first[[3, 1]])
    assert texts == []
    with torch.no_grad():
        next(model.tower("text").projections.parameters()).add_(1)
    other = StoredTexts(encoder, tmp_path / "texts")(asked)
    torch.testing.assert_close(other, encoder(asked), atol=1e-6, rtol=0)
    assert not torch.allclose(other, first)


def test_text_weights_play_no_part_in_pictures(garden: Path, cache: EmbeddingCache) -> None:
    model, data = ready(garden)
    embed_splits(model, data, ["test"], device=CPU, cache=cache)
    with torch.no_grad():
        next(model.tower("text").parameters()).add_(1)
    rows = count(model)
    embed_splits(model, data, ["test"], device=CPU, cache=cache)
    assert rows == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign", "empty"])
def test_a_damaged_part_is_encoded_again_and_told(
    damage: str, garden: Path, cache: EmbeddingCache, caplog: pytest.LogCaptureFixture
) -> None:
    model, data = ready(garden)
    whole = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    assert cache.folder is not None
    part = sorted(cache.folder.rglob("part-*"))[0]
    content = part.read_bytes()
    if damage == "truncated":
        part.write_bytes(content[:-7])
    elif damage == "flipped":
        part.write_bytes(content[:-7] + bytes([content[-7] ^ 1]) + content[-6:])
    elif damage == "empty":
        part.write_bytes(b"")
    else:
        name = part.parent.name.encode()
        part.write_bytes(content.replace(name, name[::-1]))
    rows = count(model)
    with caplog.at_level(logging.WARNING, logger="clipbio"):
        again = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    assert rows == [4]
    assert part.name in caplog.text
    assert torch.equal(again.images.vectors_ND, whole.images.vectors_ND)


def test_what_cannot_be_read_is_finished_too(make_garden, cache: EmbeddingCache) -> None:
    garden = make_garden()
    # Its header is fine, so that it stands in the shards.
    broken = garden / "images" / "test-1-1.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])
    model, data = ready(garden)
    rows = count(model)
    first = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    assert sum(rows) == ROWS - 1
    second = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    assert sum(rows) == ROWS - 1
    assert list(first.unreadable) == ["test-1-1"]
    assert second.unreadable == first.unreadable
    assert second.images.ids == first.images.ids
    data.max_skipped_share = 0.0
    with pytest.raises(ClipbioError, match="1 of 24 specimens cannot be read"):
        embed_splits(model, data, ["test"], device=CPU, cache=cache)


def test_another_choice_of_val_shares_the_vectors(garden: Path, cache: EmbeddingCache) -> None:
    embed_splits(*ready(garden), ["train", "val"], device=CPU, cache=cache)
    model, data = ready(garden, "data.split_seed=5", "data.val_share=0.3")
    rows = count(model)
    found = embed_splits(model, data, ["val", "train"], device=CPU, cache=cache)
    assert rows == []
    assert len(found["val"].images) == len(data.split("val")) > 2
    assert found["val"].images.ids == tuple(data.split("val").index.ids[row] for row in data.split("val").rows)


def test_cached_features_of_a_frozen_trunk_are_read_and_kept_apart_by_their_dtype(
    garden: Path, cache: EmbeddingCache
) -> None:
    frozen = "model.image.unlocked=0"
    model, data = ready(garden, frozen)
    rows = count(model)
    whole = embed_splits(model, data, ["test"], device=CPU, cache=cache)["test"]
    embed_splits(model, data, ["test"], device=CPU, cache=cache)
    assert sum(rows) == ROWS
    half = embed_splits(*ready(garden, frozen, "cache_features=float16"), ["test"], device=CPU, cache=cache)["test"]
    assert not torch.equal(half.images.vectors_ND, whole.images.vectors_ND)
    torch.testing.assert_close(half.images.vectors_ND, whole.images.vectors_ND, atol=1e-2, rtol=0)


def test_texts_beyond_the_bound_are_encoded_and_not_kept(
    garden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, encoder = connected(garden, "cache_features=off")
    monkeypatch.setattr("clipbio.training.text_store._MOST_TEXTS", 3)
    rows = count(model, modality="text")
    kept = StoredTexts(encoder, tmp_path / "texts")
    first = kept(TEXTS[:3])
    assert torch.allclose(kept(TEXTS), encoder(TEXTS), atol=1e-6)
    encoded = sum(rows)
    assert torch.equal(StoredTexts(encoder, tmp_path / "texts")(TEXTS[:3]), first)
    assert sum(rows) == encoded
