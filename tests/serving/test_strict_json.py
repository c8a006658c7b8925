"""JSON is read as its standard has it."""

from __future__ import annotations

import pytest

from serving.strict_json import MalformedError, parse


def test_json_is_read() -> None:
    assert parse(b'{"a": [1, {"b": null}], "\xc3\xa9": 1.5}') == {"a": [1, {"b": None}], "é": 1.5}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff", "body"),
        (b"[" * 100_000, "body"),
        (b'{"a": ' + b"9" * 5000 + b"}", "body"),
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"x": {"a": 1, "a": 1}}', "a"),
        (b'{"a": NaN}', "a"),
        (b'{"a": -Infinity}', "a"),
        (b'{"a": 1e999}', "a"),
        (b'{"\\ud800": 1}', "body"),
        (b'{"a\\nb": 1}', "body"),
    ],
)
def test_anything_else_is_refused_by_its_field(body: bytes, field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(body)
    assert caught.value.field == field
