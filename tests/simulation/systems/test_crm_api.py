"""The CRM over a real socket: every item once, in pages, for callers with the token; refusals say why, in JSON."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.crm import CODE, Crm, serving
from tests.simulation.factory import CALENDAR, SMALL, WEEKS, week_records

from coupon_pipeline.ports import PortInUseError
from coupon_pipeline.simulation.feeds import crm
from coupon_pipeline.simulation.feeds.delivery import on_time
from coupon_pipeline.simulation.systems.serve import serve


def write(feeds: Path, *weeks: str) -> None:
    for week in weeks:
        crm.write_week(feeds, on_time(week_records(week), CALENDAR.timezone))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    feeds = tmp_path_factory.mktemp("feeds")
    crm.write_token(feeds, seed=1)
    write(feeds, *WEEKS[:2])
    with serving(feeds) as running:
        yield running


def bounds(week: str) -> dict[str, str]:
    return {
        "changed_since": f"{CALENDAR.opens_at(week).isoformat()}Z",
        "changed_before": f"{CALENDAR.decision_time(week).isoformat()}+00:00",
    }


def test_gives_every_item_once(running: Crm) -> None:
    pages = list(running.walk("coupon-products", **bounds(WEEKS[1]), limit=50))
    found = [(item["coupon_id"], item["product_id"]) for page in pages for item in page]
    wanted = week_records(WEEKS[1]).tables["coupon_products"]
    assert sorted(found) == sorted(
        zip(*(wanted.column(name).to_pylist() for name in wanted.column_names[:2]), strict=True)
    )
    assert [len(page) for page in pages] == [50, 50, 50, 20]


def test_pages_stay_whole_while_rows_are_added(tmp_path: Path) -> None:
    crm.write_token(tmp_path, seed=1)
    write(tmp_path, WEEKS[0])
    with serving(tmp_path) as running:
        pages = running.walk("engagements", limit=60)
        found = next(pages)
        write(tmp_path, WEEKS[1])
        found += [item for page in pages for item in page]
    wanted = sum(week_records(week).tables["engagements"].num_rows for week in WEEKS[:2])
    assert len({(item["issue_id"], item["event"]) for item in found}) == len(found) == wanted
    assert [item["updated_at"] for item in found] == sorted(item["updated_at"] for item in found)


def test_shapes_items_as_a_crm_does(running: Crm) -> None:
    customer = next(running.walk("customers", limit=1))[0]
    assert customer == {
        "id": 1,
        "joined_at": "2024-01-01",
        "marketing_consent": True,
        "erased_at": None,
        "updated_at": "2025-01-06T05:00:00Z",
        "demographics": {
            "age_band": "45-54",
            "income_band": None,
            "home_ownership": None,
            "marital_status": None,
            "household_size": "2",
            "household_composition": None,
            "kids_count": None,
        },
    }
    event = next(running.walk("engagements", **bounds(WEEKS[0]), limit=1))[0]
    assert event["updated_at"] == event["happened_at"] == "2025-01-06T05:00:00Z"
    target, coupon, campaign = (next(running.walk(name, limit=1))[0] for name in ("targets", "coupons", "campaigns"))
    assert target == {"campaign_id": 1, "household_id": 1, "updated_at": "2025-01-09T05:00:00Z"}
    assert (coupon["valid_to"], coupon["supplier_id"]) == ("2025-01-26", None)
    assert campaign["liability_cents"] == 5_000_000


def test_since_is_inclusive_and_before_is_not(running: Crm) -> None:
    instant = "2025-01-09T05:00:00Z"
    assert len(next(running.walk("coupons", changed_since=instant))) == 2 * SMALL.coupons
    assert len(next(running.walk("coupons", changed_before="2025-01-09T05:00:00.000001Z"))) == SMALL.coupons
    assert next(running.walk("coupons", changed_before=instant)) == []


@pytest.mark.parametrize(
    ("path", "parameters", "status", "said"),
    [
        ("/v1/coupons", {"limit": 0}, 422, "limit must be a whole number from 1 to 1000"),
        ("/v1/coupons", {"limit": 1001}, 422, "limit must be"),
        ("/v1/coupons", {"limit": "²"}, 422, "limit must be"),
        ("/v1/coupons", {"changed_since": "yesterday"}, 422, "changed_since must be an instant"),
        ("/v1/coupons", {"changed_before": "2025-13-01"}, 422, "changed_before must be an instant"),
        ("/v1/coupons", {"page": 2}, 422, "page is no parameter"),
        ("/v1/coupons", {"cursor": "nonsense"}, 400, "not one of this API"),
        ("/v1/coupons", {"cursor": "é"}, 400, "not one of this API"),
        ("/v1/carts", {}, 404, "there is no carts"),
        ("/nothing", {}, 404, "Not Found"),
    ],
)
def test_says_what_is_wrong(running: Crm, path: str, parameters: dict[str, Any], status: int, said: str) -> None:
    found, body = running.ask(path, **parameters)
    assert found == status
    assert set(body) == {"error", "message"}
    assert said in body["message"]


def test_refuses_a_cursor_of_another_query(running: Crm) -> None:
    _, body = running.ask("/v1/coupons", limit=1, **bounds(WEEKS[0]))
    assert running.ask("/v1/targets", cursor=body["next"])[0] == 400
    other = {**bounds(WEEKS[0]), "changed_since": "2025-01-01T00:00:00Z"}
    status, answer = running.ask("/v1/coupons", cursor=body["next"], **other)
    assert (status, answer["error"]) == (400, "bad_cursor")
    assert running.ask("/v1/coupons", cursor=body["next"])[0] == 200
    assert running.ask("/v1/coupons", cursor=f"{body['next'][:-2]}AA")[0] == 400


@pytest.mark.parametrize("token", [None, "wrong"])
def test_lets_nobody_in_without_the_token(running: Crm, token: str | None) -> None:
    status, body = running.ask("/v1/customers", token=token)
    assert (status, body["error"]) == (401, "unauthorized")
    assert running.ask("/health", token=None) == (200, {"status": "ok"})


def test_takes_no_other_method(running: Crm) -> None:
    assert running.ask("/v1/customers", method="POST")[0] == 405


def test_may_be_unavailable_while_its_health_is_good(tmp_path: Path) -> None:
    crm.write_token(tmp_path, seed=1)
    write(tmp_path, WEEKS[0])
    with serving(tmp_path, unavailable_share=1.0) as running:
        status, body = running.ask("/v1/coupons")
        assert (status, body["error"]) == (503, "unavailable")
        assert running.ask("/health", token=None)[0] == 200


def test_has_no_data_yet_and_sees_a_new_world(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert running.ask("/v1/coupons", token="any")[0] == 503
        crm.write_token(tmp_path, seed=1)
        assert running.ask("/v1/coupons")[0] == 503
        write(tmp_path, WEEKS[0])
        assert len(running.ask("/v1/coupons")[1]["items"]) == SMALL.coupons
        (tmp_path / crm.DATABASE).unlink()
        crm.write_token(tmp_path, seed=2)
        write(tmp_path, *WEEKS[:2])
        assert len(running.ask("/v1/coupons")[1]["items"]) == 2 * SMALL.coupons


def test_token_is_its_owners_alone(tmp_path: Path) -> None:
    first = crm.write_token(tmp_path, seed=1)
    path = tmp_path / crm.TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == first == crm.write_token(tmp_path, seed=1) != crm.write_token(tmp_path, seed=2)


def test_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2], '0'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True);"
        " print(c.pid, c.stdout.readline(), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, CODE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    said = parent.stdout.readline().split()
    port = int(said[-1].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        parent.kill()
        parent.communicate()
        _until_closed(port)


def test_ends_at_once_on_a_signal(tmp_path: Path) -> None:
    with serving(tmp_path) as running, socket.create_connection(("127.0.0.1", running.port), timeout=5):
        assert running.ask("/health", token=None)[0] == 200
        running.process.terminate()
        running.process.wait(3)


def _until_closed(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        assert time.monotonic() < end, "the server outlives its parent"


def test_says_in_one_line_that_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUseError, match="in use"):
            serve(tmp_path, taken.getsockname()[1])
