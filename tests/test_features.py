import logging
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.features import FeatureStore, key_of

KEYS = [key_of(f"text {number}") for number in range(500)]


def rows_of(keys, width=4):
    """A row that can be told from its key alone."""
    return np.array([[key[0], key[1], key[2], key[3]][:width] for key in keys], dtype=np.float32)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", width=4, dtype="float16")


def test_rows_come_back_in_the_order_asked_for(store):
    store.put(KEYS[:300], rows_of(KEYS[:300]))
    store.put(KEYS[300:], rows_of(KEYS[300:]))
    asked = [KEYS[index] for index in np.random.default_rng(0).integers(0, 500, size=1000)]
    rows = store.get(asked)
    assert rows.dtype == np.float16
    np.testing.assert_array_equal(rows, rows_of(asked))
    assert len(store) == 500


def test_missing_names_each_absent_key_once_in_order(store):
    store.put(KEYS[:10], rows_of(KEYS[:10]))
    assert store.missing([KEYS[12], KEYS[3], KEYS[11], KEYS[12]]) == [KEYS[12], KEYS[11]]
    assert store.missing([]) == []


def test_empty_store(store):
    assert store.missing(KEYS[:2]) == KEYS[:2]
    assert store.get([]).shape == (0, 4)
    with pytest.raises(ClipbioError, match="1 of 1 features are not in"):
        store.get(KEYS[:1])


def test_another_reader_sees_new_segments(store, tmp_path):
    reader = FeatureStore(tmp_path / "store", width=4, dtype="float16")
    assert len(reader) == 0
    store.put(KEYS[:5], rows_of(KEYS[:5]))
    np.testing.assert_array_equal(reader.get(KEYS[:5]), rows_of(KEYS[:5]))
    store.put(KEYS[5:6], rows_of(KEYS[5:6]))
    assert reader.missing(KEYS[4:7]) == KEYS[6:7]


def test_the_first_row_of_a_key_stays(store):
    store.put(KEYS[:1], [[1, 1, 1, 1]])
    store.put(KEYS[:2], [[2, 2, 2, 2], [3, 3, 3, 3]])
    assert store.get(KEYS[:2])[:, 0].tolist() == [1, 3]
    assert len(store) == 2


def test_keys_that_share_a_half_are_told_apart(store):
    keys = [b"\0" * 8 + bytes([last]) + b"\0" * 7 for last in (5, 0, 9)] + [b"\0" * 15 + b"\1"]
    store.put(keys[:3], rows_of([bytes([n, n, n, n]) for n in range(3)]))
    assert store.get(keys[:3])[:, 0].tolist() == [0, 1, 2]
    assert store.missing(keys) == keys[3:]


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=6), seed=st.integers(0, 99))
def test_store_behaves_like_a_dictionary(tmp_path_factory, parts, seed):
    store = FeatureStore(tmp_path_factory.mktemp("store"), width=1, dtype="float32")
    truth = {}
    values = np.random.default_rng(seed)
    for part in parts:
        rows = values.normal(size=(len(part), 1)).astype(np.float32)
        store.put([KEYS[n] for n in part], rows)
        for number, row in zip(part, rows):
            truth.setdefault(KEYS[number], row)
    assert store.missing(KEYS[:41]) == [key for key in KEYS[:41] if key not in truth]
    if truth:
        np.testing.assert_array_equal(store.get(list(truth)), np.array(list(truth.values())))


def write(folder, first):
    store = FeatureStore(folder, width=4, dtype="float16")
    for start in range(first, first + 200, 10):
        store.put(KEYS[start : start + 10], rows_of(KEYS[start : start + 10]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_writers_at_the_same_time(store, tmp_path, method):
    context = multiprocessing.get_context(method)
    writers = [context.Process(target=write, args=(tmp_path / "store", first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    np.testing.assert_array_equal(store.get(KEYS[:300]), rows_of(KEYS[:300]))
    assert len(store) == 300
    assert not list((tmp_path / "store").glob(".*"))


@pytest.mark.parametrize("part", ["rows", "keys"])
def test_a_truncated_segment_is_ignored_with_a_warning(tmp_path, caplog, part):
    folder = tmp_path / "store"
    FeatureStore(folder, width=4, dtype="float16").put(KEYS[:5], rows_of(KEYS[:5]))
    path = next(folder.glob(f"*.{part}.npy"))
    path.write_bytes(path.read_bytes()[:-3])
    store = FeatureStore(folder, width=4, dtype="float16")
    store.put(KEYS[5:6], rows_of(KEYS[5:6]))
    with caplog.at_level(logging.WARNING):
        assert store.missing(KEYS[:6]) == KEYS[:5]
        assert store.missing(KEYS[:6]) == KEYS[:5]
    assert len([record for record in caplog.records if "is ignored" in record.message]) == 1


def test_a_segment_without_its_keys_is_not_there_yet(tmp_path):
    folder = tmp_path / "store"
    FeatureStore(folder, width=4).put(KEYS[:5], rows_of(KEYS[:5]))
    next(folder.glob("*.keys.npy")).unlink()
    assert FeatureStore(folder, width=4).missing(KEYS[:5]) == KEYS[:5]


def test_rows_of_another_width_or_dtype_are_ignored(tmp_path, caplog):
    FeatureStore(tmp_path, width=4, dtype="float16").put(KEYS[:1], rows_of(KEYS[:1]))
    assert len(FeatureStore(tmp_path, width=3, dtype="float16")) == 0
    assert len(FeatureStore(tmp_path, width=4, dtype="float32")) == 0
    assert "is ignored" in caplog.text


def test_pickled_segments_are_never_loaded(tmp_path, caplog):
    np.save(tmp_path / "segment-x.keys.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "segment-x.rows.npy", np.zeros((1, 4), np.float16))
    assert len(FeatureStore(tmp_path, width=4)) == 0
    assert "is ignored" in caplog.text


def test_a_pickled_store_reads_the_folder_anew(store):
    store.put(KEYS[:5], rows_of(KEYS[:5]))
    copy = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 1000
    np.testing.assert_array_equal(copy.get(KEYS[:5]), rows_of(KEYS[:5]))


@pytest.mark.parametrize(
    ("keys", "rows", "message"),
    [
        (KEYS[:2], np.zeros((1, 4)), "shape"),
        (KEYS[:1], np.zeros((1, 3)), "width 4"),
        (KEYS[:1], np.full((1, 4), 1e6), "not finite in float16"),
        (KEYS[:1], np.full((1, 4), np.nan), "not finite"),
        ([b"short"], np.zeros((1, 4)), "16 bytes"),
    ],
)
def test_bad_rows_are_refused(store, keys, rows, message):
    with pytest.raises(ClipbioError, match=message):
        store.put(keys, rows)
    assert len(store) == 0


def test_unknown_dtype(tmp_path):
    with pytest.raises(ClipbioError, match="did you mean 'float16'"):
        FeatureStore(tmp_path, width=4, dtype="float61")


def test_key_of_is_the_hash_of_the_bytes():
    assert key_of("ä") == key_of("ä".encode())
    assert len(key_of(b"")) == 16
    assert key_of("a") != key_of("b")
