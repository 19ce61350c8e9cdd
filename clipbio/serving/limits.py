"""How much one request may ask for, and how many requests are answered at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from clipbio.errors import ClipbioError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of the server; every one is told to the client that reaches it.

    Args:
        body_bytes: Largest body of a request, such as an uploaded picture.
        body_seconds: A body that takes longer to arrive is refused.
        pixels: Largest picture that is decoded, uploaded or of the index.
        query_characters: Longest text, id or filter value.
        barcode_characters: Longest barcode.
        filter_values: Most values of all filters of one request together.
        page_size: Most hits on one page.
        hits: Most hits of one export, and the last hit that pages reach.
        at_once: Searches that run at the same time; further ones wait.
        waiting: Searches that wait; further ones are told to come back.
        wait_seconds: A search that waits longer is told to come back.
        connections: Open connections; further ones are refused.

    Raises:
        ClipbioError: A number is below 1, or a time not above 0.
    """

    body_bytes: int = 20_000_000
    body_seconds: float = 60.0
    pixels: int = 100_000_000
    query_characters: int = 2_000
    barcode_characters: int = 5_000
    filter_values: int = 500
    page_size: int = 100
    hits: int = 10_000
    at_once: int = 2
    waiting: int = 500
    wait_seconds: float = 60.0
    connections: int = 1_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_time = field.name.endswith("_seconds")
            if not (value > 0 if is_time else value >= 1):
                raise ClipbioError(f"limits.{field.name}={value} must be {'above 0' if is_time else 'at least 1'}")
