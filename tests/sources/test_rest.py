"""HTTP APIs over a real socket: pages are joined, failures asked again, and no part of a list is ever delivered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.sources.grocer import ATTEMPTS, HASTY, STORES, WEEK, Api, opened, serving

from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.retrying import seconds_of
from coupon_pipeline.sources.source import SourceError

NUMBERS = range(7)
ITEMS = [
    {"no": number, "area": {"name": f"area {number}"}, "kind": None, "updated_at": f"2025-03-1{number}T08:00:00Z"}
    for number in NUMBERS
]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api({"/stores": list(ITEMS)})) as running:
        yield running


def shop(folder: Path, api: Api, limit: int = 3, table: dict | None = None, **system: object) -> Connected:
    crm = {
        "kind": "rest",
        "url": api.url,
        "since": "changed_since",
        "before": "changed_before",
        "paging": {"limit": limit},
        "retry": HASTY,
        "timeout_seconds": 5,
        **system,
    }
    columns = {**STORES, "region": "area.name"}
    stores = {"system": "crm", "endpoint": "/stores", "known_at": {"column": "updated_at"}, "columns": columns}
    return opened(folder, {"crm": crm}, {"stores": {**stores, **(table or {})}})


def test_pages_are_followed_by_cursor(tmp_path: Path, api: Api) -> None:
    rows = shop(tmp_path, api).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == [str(number) for number in NUMBERS]
    assert rows["region"].to_pylist() == [f"area {number}" for number in NUMBERS]
    assert [query.get("cursor") for _, query in api.asked] == [None, "3", "6"]
    assert api.asked[0][1]["changed_since"] == "2025-03-09T23:00:00Z"


def test_pages_are_followed_by_offset_even_if_the_server_gives_fewer_than_asked(tmp_path: Path, api: Api) -> None:
    api.paging, api.most = "offset", 2
    paging = {"kind": "offset", "param": "offset", "limit_param": "limit", "limit": 500}
    rows = shop(tmp_path, api, items="", paging=paging).read("stores", WEEK)
    assert rows.num_rows == len(ITEMS)
    assert [query.get("offset") for _, query in api.asked] == [None, "2", "4", "6", "7"]


def test_where_an_api_cannot_be_asked_for_a_week_the_week_is_cut_here(tmp_path: Path, api: Api) -> None:
    api.lists["/stores"] += [
        {**ITEMS[0], "no": 8, "updated_at": "2025-03-09T23:00:00+00:00"},
        {**ITEMS[0], "no": 9, "updated_at": "2025-03-09T22:59:59Z"},
    ]
    rows = shop(tmp_path, api, since=None, before=None).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == ["8", "0", "1", "2", "3", "4", "5", "6"]


def test_numbers_keep_every_digit_and_lists_become_json(tmp_path: Path, api: Api) -> None:
    api.lists["/stores"] = [{**ITEMS[0], "no": 9007199254740993, "area": {"name": 1.10}, "kind": ["a", True]}]
    rows = shop(tmp_path, api).read("stores", WEEK)
    assert rows.select(["store_id", "region", "format"]).to_pylist() == [
        {"store_id": "9007199254740993", "region": "1.1", "format": '["a", true]'}
    ]


PASSING = {
    "429": (429, {"Retry-After": "0"}, b"{}"),
    "500": (500, {}, b"oops"),
    "503": (503, {}, b"{}"),
    "half a page": (200, {}, b'{"items": [{"no": 1, "ar'),
    "half a body": (200, {"Promised-Length": "5000"}, b'{"items": [{"no": 1}'),
    "wrong encoding": (200, {}, '{"items": ["Köln"]}'.encode("latin-1")),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_asked_again_from_the_same_page(tmp_path: Path, api: Api, fault: str) -> None:
    source = shop(tmp_path, api)
    whole = source.read("stores", WEEK)
    answer, spoilt = api.answer, []
    status, headers, body = PASSING[fault]

    def flaky(path: str, query: dict[str, str], authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        if query.get("cursor") == "3" and len(spoilt) < 2:
            spoilt.append("3")
            return status, dict(headers), body
        return answer(path, query, authorization)

    api.answer = flaky
    api.asked.clear()
    assert source.read("stores", WEEK).equals(whole)
    assert len(spoilt) == 2
    assert [query.get("cursor") for _, query in api.asked] == [None, "3", "6"]


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_one_line_and_the_next_read_completes(tmp_path: Path, api: Api, fault: str) -> None:
    source = shop(tmp_path, api)
    status, headers, body = PASSING[fault]
    api.faults.extend((status, dict(headers), body) for _ in range(ATTEMPTS))
    with pytest.raises(SourceError, match=rf"^crm: stores of week {WEEK}: .*\(tried 3 times\)$"):
        source.read("stores", WEEK)
    assert source.read("stores", WEEK).num_rows == len(ITEMS)


@pytest.mark.parametrize(
    ("status", "cause"), [(400, "Bad Request"), (401, "check the token"), (403, "token"), (404, "Not")]
)
def test_what_will_not_pass_is_not_asked_again(tmp_path: Path, api: Api, status: int, cause: str) -> None:
    api.faults.append((status, {}, b"{}"))
    with pytest.raises(SourceError, match=rf"^crm: stores of week {WEEK}: /stores answers {status} .*{cause}"):
        shop(tmp_path, api).read("stores", WEEK)
    assert len(api.asked) == 1


def test_a_server_that_asks_for_patience_gets_it(tmp_path: Path, api: Api) -> None:
    api.faults.append((429, {"Retry-After": "0.4"}, b"{}"))
    began = time.monotonic()
    shop(tmp_path, api).read("stores", WEEK)
    assert time.monotonic() - began > 0.4


def test_a_wish_for_patience_may_be_a_date() -> None:
    later = seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert later is not None
    assert 50 < later <= 60
    assert seconds_of("Mon, 06 Jan 2025 00:00:00 GMT") == 0
    assert seconds_of("-5") == 0
    assert seconds_of("soon") is None


def test_a_server_that_is_down_is_named_and_read_once_it_is_back(tmp_path: Path) -> None:
    with serving(Api()) as api:
        port = int(api.url.rpartition(":")[2])
    source = shop(tmp_path, api)
    with pytest.raises(SourceError, match=r"^crm: stores of week .*/stores does not answer: .*\(tried 3 times\)$"):
        source.read("stores", WEEK)
    with serving(Api({"/stores": list(ITEMS)}), port):
        assert source.read("stores", WEEK).num_rows == len(ITEMS)


def test_a_slow_answer_is_given_up_and_asked_for_again(tmp_path: Path, api: Api) -> None:
    answer, slow = api.answer, [0.3]

    def sleepy(path: str, query: dict[str, str], authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        time.sleep(slow.pop() if slow else 0)
        return answer(path, query, authorization)

    api.answer = sleepy
    assert shop(tmp_path, api, timeout_seconds=0.1).read("stores", WEEK).num_rows == len(ITEMS)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b'{"data": []}', "no list of objects at 'items'"),
        (b'{"items": [1]}', "no list of objects at 'items'"),
        (b"[]", "no list of objects at 'items'"),
        (b'{"items": [{"no": 1, "area": null, "updated_at": "2025-03-12T00:00:00Z"}]}', "the column kind is missing"),
        (b'{"items": [{"a": 1}, {"a": 1}, {"a": 1}], "more": "2"}', "a full page without 'next'"),
    ],
)
def test_an_answer_of_another_shape_is_refused(tmp_path: Path, api: Api, body: bytes, cause: str) -> None:
    api.faults.append((200, {}, body))
    with pytest.raises(SourceError, match=cause):
        shop(tmp_path, api).read("stores", WEEK)


def test_pages_that_never_end_are_noticed(tmp_path: Path, api: Api) -> None:
    api.faults.extend([(200, {}, b'{"items": [], "next": "a"}')] * 2)
    with pytest.raises(SourceError, match="the cursor 'a' comes again"):
        shop(tmp_path, api).read("stores", WEEK)


def test_the_token_comes_from_the_environment_or_a_file(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.token = "open-sesame"
    source = shop(tmp_path, api, token_env="SHOP_TOKEN")
    with pytest.raises(SourceError, match="set the environment variable SHOP_TOKEN"):
        source.read("stores", WEEK)
    monkeypatch.setenv("SHOP_TOKEN", "open-says-me")
    with pytest.raises(SourceError, match="401 Unauthorized: check the token"):
        source.read("stores", WEEK)
    monkeypatch.setenv("SHOP_TOKEN", "open-sesame")
    assert source.read("stores", WEEK).num_rows == len(ITEMS)
    by_file = shop(tmp_path, api, token_file="{data}/crm.token")
    with pytest.raises(SourceError, match=r"no token: .*crm\.token cannot be read"):
        by_file.read("stores", WEEK)
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "crm.token").write_text("open-sesame\n")
    assert by_file.read("stores", WEEK).num_rows == len(ITEMS)
