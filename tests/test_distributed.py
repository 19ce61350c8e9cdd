"""What the main process does alone reaches all."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from processes import in_group, spawn

from clipbio.distributed import World, join_world, on_main
from clipbio.errors import ClipbioError


def refuse() -> int:
    raise ClipbioError("out=x exists")


def _ask(rank: int, folder: Path) -> None:
    def both() -> dict:
        ran: list[int] = []
        value = on_main(World(rank, 2), lambda: ran.append(rank) or 7)
        with pytest.raises(ClipbioError, match="out=x exists"):
            on_main(World(rank, 2), refuse)
        return {"value": value, "ran": ran}

    (folder / f"{rank}.json").write_text(json.dumps(in_group(rank, 2, folder / "meeting", both)))


def test_all_processes_get_what_the_main_one_got_or_was_refused(tmp_path: Path) -> None:
    spawn(_ask, tmp_path)
    main, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert main == {"value": 7, "ran": [0]}
    assert other == {"value": 7, "ran": []}


def test_processes_may_wait_for_hours_while_the_main_one_prepares(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr("torch.distributed.init_process_group", lambda backend, **given: asked.update(given))
    places = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**places, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    assert join_world("cpu") == World(1, 2, 1, 2)
    assert asked["timeout"] >= timedelta(hours=24)
    assert (asked["rank"], asked["world_size"]) == (1, 2)


def test_a_process_alone_is_the_main_one() -> None:
    assert on_main(World(), lambda: "x") == "x"
    with pytest.raises(ClipbioError, match="out=x exists"):
        on_main(World(), refuse)
