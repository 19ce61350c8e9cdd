from __future__ import annotations

import io

import pytest

from clipbio.data.defects import Defects
from clipbio.data.sources import delimited
from clipbio.data.sources.delimited import DelimitedFile, Dialect
from clipbio.errors import ClipbioError

TABS = Dialect()


def read(data: bytes, dialect: Dialect = TABS) -> tuple[list[tuple[int, list[str]]], dict[str, int]]:
    defects = Defects()
    return list(DelimitedFile("t.txt", lambda: io.BytesIO(data), dialect).rows(defects)), defects.counts


def test_without_quotes_a_quote_is_a_letter_and_rows_are_lines() -> None:
    rows, defects = read(b'id\tname\n1\ta "lone quote\n2\t"x"\r\n\n3\ta\tb\n4\n5\tlast')
    assert rows == [(2, ["1", 'a "lone quote']), (3, ["2", '"x"']), (7, ["5", "last"])]
    assert defects == {"wrong_width": 2}


def test_quoted_cells_hold_lines_and_tell_where_they_began() -> None:
    commas = Dialect(delimiter=",", quote='"')
    rows, defects = read(b'id,name\n1,"two\nlines, ""said"""\n2,"b"c\n3,d "e"\n4,"never closed\n5,e\n', commas)
    assert rows == [(2, ["1", 'two\nlines, "said"']), (5, ["3", 'd "e"']), (7, ["5", "e"])]
    assert defects == {"unreadable_row": 2}
    file = DelimitedFile("t.csv", lambda: io.BytesIO(b'id,name\n1,2,"open\n4,d\n5,e\n"\n'), commas)
    found = Defects()
    assert list(file.rows(found)) == [(3, ["4", "d"]), (4, ["5", "e"])]
    assert "it spans 4 lines: is a quote not closed?" in str(found.of("wrong_width")[0])


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    commas = Dialect(delimiter=",", quote='"')
    lines = [f"{n},{chr(34) if n in (5, 90) else ''}text\n" for n in range(2500)]
    found = Defects()
    data = "".join(["id,name\n", *lines]).encode()
    rows = list(DelimitedFile("t.csv", lambda: io.BytesIO(data), commas).rows(found))
    assert [number for number, _ in rows] == [n + 2 for n in range(2500) if n not in (5, 90)]
    assert found.counts == {"unreadable_row": 2}
    assert "86 lines are one record then: is a quote of the first not closed?" in str(found.of("unreadable_row")[0])


def test_rows_between_quotes_are_told_and_kept() -> None:
    commas = Dialect(delimiter=",", quote='"')
    rows, defects = read(b'id,name,note\n1,a,"open\n2,b,x\n3,c,end"\n4,d,"two\nlines"\n', commas)
    assert [cells[0] for _, cells in rows] == ["1", "4"]
    assert defects == {"quoted_rows": 1}


def test_most_rows_tell_the_width_where_no_header_does() -> None:
    bare = Dialect(header_lines=0)
    assert read(b"1\tx\ty\n2\ta\n3\tb\n", bare) == ([(2, ["2", "a"]), (3, ["3", "b"])], {"wrong_width": 1})
    defects = Defects()
    data = b"# made by hand\n1\tx\ty\n2\ta\n"
    file = DelimitedFile("t.txt", lambda: io.BytesIO(data), TABS, described=2)
    assert list(file.rows(defects)) == [(3, ["2", "a"])]
    assert defects.counts == {"wrong_width": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1", "windows-1252", "mac-roman"])
def test_encodings_as_declared(encoding: str) -> None:
    data = "id\tname\n1\tMüller\n".encode(encoding)
    assert read(data, Dialect(encoding=encoding)) == ([(2, ["1", "Müller"])], {})


def test_bytes_of_another_encoding_spoil_one_row() -> None:
    data = "id\tname\n1\tMüller\n".encode("latin-1") + "2\tMüller\n".encode()
    assert read(b"\xef\xbb\xbf" + data) == ([(3, ["2", "Müller"])], {"bad_encoding": 1})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MÃ¼ller", 1),
        ("GonÃ§alves", 1),
        ("itâ€™s", 1),
        ("MÃ\u009fler", 1),
        ("SÃO", 0),
        ("Ângelo", 0),
        ("Müller", 0),
        ("â", 0),
    ],
)
def test_text_encoded_twice_is_kept_and_counted(text: str, found: int) -> None:
    rows, defects = read(f"id\tname\n1\t{text}\n".encode())
    assert rows == [(2, ["1", text])]
    assert defects == ({"mojibake": 1} if found else {})


def test_header_lines_and_line_ends() -> None:
    bare = Dialect(delimiter=";", line_end="\r", header_lines=0)
    assert read(b"1;a\r2;b\r3\r", bare) == ([(1, ["1", "a"]), (2, ["2", "b"])], {"wrong_width": 1})
    two = Dialect(delimiter=";", header_lines=2)
    file = DelimitedFile("t.txt", lambda: io.BytesIO(b"note\nid; name \n1;a\n"), two)
    assert file.header() == ("id", "name")
    assert list(file.rows(Defects())) == [(3, ["1", "a"])]
    assert DelimitedFile("t.txt", lambda: io.BytesIO(b"1\t2"), bare).header() == ()


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_LINE_LIMIT", 1000)
    with pytest.raises(ClipbioError, match=r"t\.txt line 2: the line is longer than 1000"):
        read(b"id\n" + b"x" * 5000)
    data = b'id,x\n1,"' + b"x\n" * 600 + b"2,b\n"
    assert read(data, Dialect(delimiter=",", quote='"')) == (
        [(602, ["2", "b"])],
        {"wrong_width": 599, "unreadable_row": 1},
    )


@pytest.mark.parametrize(
    "name", ["rot13", "punycode", "zlib_codec", "unicode_escape", "utf-7", "no such", "", "a\0b", "../x"]
)
def test_what_is_no_encoding_of_text(name: str) -> None:
    with pytest.raises(ClipbioError, match="is no encoding of text"):
        Dialect(encoding=name)
