from __future__ import annotations

import io

import numpy as np
import pytest
from photos import photo, resized, saved
from PIL import Image

from clipbio.checking.duplicates import _Groups, _stars, close_pairs, distance_for, find_copies
from clipbio.checking.looks import FINGERPRINT_BYTES, look
from clipbio.data.images import BadImageError
from clipbio.data.sources import VirtualSource


def copies_of(files: list[bytes]) -> tuple[list[int], list[int]]:
    """Return the distinct file and the distinct photo of each image, numbered as they come."""
    looks = [look(data, decode=True, hashed=True) for data in files]
    prints = b"".join(one.fingerprint.ljust(FINGERPRINT_BYTES, b"\0") for one in looks)
    hashed = np.array([bool(one.fingerprint) for one in looks])
    digests = np.frombuffer(b"".join(one.digest for one in looks), "S16")
    found = find_copies(digests, np.frombuffer(prints, np.uint8).reshape(len(looks), -1), hashed)
    return numbered(found.file_M), numbered(found.photo_M)


def numbered(values: np.ndarray) -> list[int]:
    seen: dict[int, int] = {}
    return [seen.setdefault(int(value), len(seen)) for value in values]


@pytest.mark.parametrize("distance", [0, 4, 10])
def test_close_pairs_are_those_of_a_loop_over_all(distance: int) -> None:
    rng = np.random.default_rng(distance)
    centres = rng.integers(0, 2**64, 40, dtype=np.uint64)
    flips = (np.uint64(1) << rng.integers(0, 64, (10, 400), dtype=np.uint64)) * (rng.random((10, 400)) < 0.15)
    hash_N = np.bitwise_xor.reduce(flips.astype(np.uint64), axis=0) ^ rng.choice(centres, 400)
    found = {tuple(sorted(pair)) for block in close_pairs(hash_N, distance) for pair in block.tolist()}
    bits_NN = np.bitwise_count(hash_N[:, None] ^ hash_N[None])
    wanted = {(i, j) for i, j in np.argwhere(bits_NN <= distance).tolist() if i < j}
    assert found == wanted
    assert len(wanted) > 20, "there was something to find"


def test_copies_are_found_and_other_photos_are_not() -> None:
    first = photo(1)
    files = [
        saved(first),
        saved(first),
        saved(first, quality=40),
        saved(resized(first, 0.5)),
        saved(resized(first, 2.0), "PNG"),
        saved(first.convert("L"), "WEBP"),
    ]
    others = [saved(photo(seed)) for seed in range(2, 60)]
    file_M, photo_M = copies_of([*files, *others])
    assert photo_M[:6] == [0] * 6
    assert photo_M[6:] == list(range(1, 59)), "different photos stay apart"
    assert file_M[:6] == [0, 0, 1, 2, 3, 4]


def test_sheets_of_one_herbarium_are_no_copies_of_each_other() -> None:
    sheets = VirtualSource(num_species=40, num_unseen=8, specimens_per_species=6)
    images = [sheet.image if isinstance(sheet.image, bytes) else b"" for sheet in sheets]
    smaller = saved(resized(Image.open(io.BytesIO(images[7])), 0.5))
    photo_M = copies_of([*images, smaller])[1]
    assert photo_M[:-1] == list(range(len(images)))
    assert photo_M[-1] == 7


def test_a_photo_turned_by_exif_is_the_turned_photo() -> None:
    turned = photo(3).transpose(2)  # 90 degrees, counterclockwise
    exif = photo(3).getexif()
    exif[0x0112] = 8
    assert copies_of([saved(turned), saved(photo(3), exif=exif)])[1] == [0, 0]


def test_blank_images_are_no_copies_of_each_other_but_by_their_bytes() -> None:
    red, blue = (saved(photo(0).resize((1, 1)).resize((64, 64)).point(lambda _, v=v: v)) for v in (40, 90))
    assert look(red, decode=True, hashed=True).blank
    assert copies_of([red, blue, red])[1] == [0, 1, 0]


def test_a_thousand_equal_hashes_cost_a_thousand_pairs() -> None:
    fingerprints = np.zeros((1000, FINGERPRINT_BYTES), np.uint8)
    digests = np.array([number.to_bytes(16, "big") for number in range(1, 1001)], "S16")
    copies = find_copies(digests, fingerprints, np.ones(1000, bool))
    assert [len(group) for group in copies.groups()] == [1000]
    assert len(_stars(np.zeros(1000, np.int64))) == 999


def test_pairs_beyond_the_bound_are_kept_as_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbio.checking.duplicates._EDGES_KEPT", 2)
    groups = _Groups(6, np.empty((0, 2), np.int64))
    for pair in ([0, 1], [1, 2], [0, 2], [2, 1], [2, 0], [3, 4], [4, 3], [1, 0], [0, 1], [2, 3]):
        groups.add(np.array([pair]))
    assert numbered(groups.labels()) == [0, 0, 0, 0, 0, 1]


def test_the_search_is_narrow_where_a_wide_one_would_last_hours() -> None:
    assert distance_for(50_000) > distance_for(50_001) > 0


def test_a_damaged_image_or_mask_is_told() -> None:
    whole = saved(photo(5, (400, 300)))
    with pytest.raises(BadImageError, match="cannot be decoded"):
        look(whole[: len(whole) // 2], decode=True, hashed=True)
    with pytest.raises(BadImageError):
        look(whole, b"no mask", decode=True, hashed=True)
    seen = look(whole[: len(whole) // 2], decode=False, hashed=True)
    assert (seen.width, seen.height, seen.mode, seen.fingerprint) == (400, 300, "", b"")
