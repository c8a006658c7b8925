"""A coupon's life over a real socket: who may do what, once, and how everything else is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from serving.coupon_operations import OPERATIONS
from serving.openapi import codes
from tests.serving.asking import basket, issue, issued, key, place
from tests.serving.conftest import JSON, Reply, Server, until
from tests.serving.test_guard import is_problem
from tests.serving.world import (
    PLAIN,
    VALUE,
    counted,
    ledger,
    token_of,
)


def test_a_coupon_lives_by_http_alone(server: Server) -> None:
    answer = server.coupons("shop", "issue", issue(decision_id="d" * 32), key()).json
    assert answer["expires_at"] == "2017-05-22T04:00:00.000Z"
    assert (answer["valid_to"], answer["replay"]) == ("2017-05-21", False)
    code = answer["code"]
    seen = server.coupons("store-7", "validate", place(code)).json
    assert (seen["coupon_id"], seen["value_cents"], seen["issue_id"]) == (str(PLAIN), VALUE, answer["issue_id"])

    first, body = key(), basket(code)
    redeemed = server.coupons("store-7", "redeem", body, first).json
    assert (redeemed["issue_id"], redeemed["discount_cents"], redeemed["replay"]) == (answer["issue_id"], 50, False)
    assert is_problem(server.coupons("store-7", "redeem", basket(code), key()), 409, "already_redeemed")
    assert server.coupons("store-7", "redeem", body, first).json == redeemed | {"replay": True}

    undone = server.coupons("store-7", "reverse", {"redeem_key": first}, key()).json
    assert (undone["issue_id"], undone["state"], undone["replay"]) == (answer["issue_id"], "issued", False)
    assert is_problem(server.coupons("store-7", "redeem", body, first), 409, "reversed")
    assert server.coupons("store-7", "redeem", body, key()).json["replay"] is False


def test_a_code_may_be_typed_as_people_type(server: Server) -> None:
    code = issued(server)
    for typed in (code.lower(), code.replace("-", " "), code.replace("-", "")):
        assert server.coupons("store-7", "validate", place(typed)).status == 200


def test_issuing_again_with_the_same_key_tells_the_same_code(server: Server) -> None:
    body, once = issue(), key()
    first, again = (server.coupons("shop", "issue", body, once).json for _ in range(2))
    assert again == first | {"replay": True}
    reply = server.coupons("shop", "issue", issue(household="6"), once)
    assert is_problem(reply, 422, "key_reused")
    assert reply.json["errors"][0]["field"] == "Idempotency-Key"


def test_a_hold_keeps_others_away_and_not_its_holder(server: Server) -> None:
    code = issued(server)
    held = server.coupons("store-7", "hold", place(code), key()).json
    assert (held["replay"], held["held_until"][:10]) == (False, "2017-05-08")
    assert is_problem(server.coupons("store-8", "redeem", basket(code), key()), 409, "held")
    assert server.coupons("store-7", "redeem", basket(code), key()).status == 200


def test_a_void_coupon_is_no_longer_good(server: Server) -> None:
    answer = server.coupons("shop", "issue", issue(), key()).json
    once = key()
    for replay in (False, True):
        voided = server.coupons("office", "void", {"issue_id": answer["issue_id"]}, once).json
        assert voided == {"issue_id": answer["issue_id"], "replay": replay}
    assert is_problem(server.coupons("store-7", "redeem", basket(answer["code"]), key()), 409, "void")
    assert is_problem(server.coupons("office", "void", {"issue_id": "99999999"}, key()), 404, "unknown_issue")
    assert is_problem(server.coupons("office", "void", {"issue_id": "none"}, key()), 404, "unknown_issue")


def test_a_reversal_may_come_before_its_redemption(server: Server) -> None:
    code, late = issued(server), key()
    undone = server.coupons("store-7", "reverse", {"redeem_key": late}, key()).json
    assert (undone["issue_id"], undone["state"]) == (None, None)
    assert is_problem(server.coupons("store-7", "redeem", basket(code), late), 409, "reversed")


def test_a_retry_after_a_dropped_connection_gets_the_first_answer(server: Server) -> None:
    code, once = issued(server), key()
    body = json.dumps(basket(code)).encode()
    head = (
        f"POST /v1/coupons/redeem HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: {once}\r\n"
        f"authorization: Bearer {token_of('store-7')}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    before = counted(server.settings)[1]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        until(lambda: counted(server.settings)[1] == before + 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.coupons("store-7", "redeem", json.loads(body), once).json["replay"] is True
    assert counted(server.settings)[1] == before + 1


def test_a_key_belongs_to_its_client(server: Server) -> None:
    code, once = issued(server), key()
    body = basket(code)
    assert server.coupons("store-7", "redeem", body, once).status == 200
    assert is_problem(server.coupons("store-8", "redeem", body, once), 409, "already_redeemed")
    server.coupons("store-8", "reverse", {"redeem_key": once}, key())
    assert is_problem(server.coupons("store-7", "redeem", basket(code), key()), 409, "already_redeemed")


ALLOWED = {
    "issue": {"shop", "office"},
    "validate": {"store-7", "shop"},
    "hold": {"store-7"},
    "redeem": {"store-7"},
    "reverse": {"store-7"},
    "void": {"office"},
}


@pytest.mark.parametrize("operation", ALLOWED)
def test_each_role_may_do_its_own_part(server: Server, operation: str) -> None:
    for client in ("store-7", "shop", "office"):
        reply = server.coupons(client, operation, {}, key())
        if client in ALLOWED[operation]:
            assert is_problem(reply, 400, "invalid")
        else:
            assert is_problem(reply, 403, "forbidden")


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer not-one-of-our-tokens"},
        {"authorization": f"Basic {token_of('store-7')}"},
        {"authorization": f"Bearer {token_of('store-7')} x"},
        {"authorization": f"Bearer {token_of('store-7')}é"},
    ],
)
def test_without_a_known_key_nobody_is_let_in(server: Server, head: dict[str, str]) -> None:
    encoded = {name: value.encode("latin-1").decode("latin-1") for name, value in head.items()}
    for operation in ALLOWED:
        reply = server.post(f"/v1/coupons/{operation}", {}, JSON | encoded)
        assert is_problem(reply, 401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"


def test_a_client_cannot_name_itself(server: Server) -> None:
    once, body = key(), basket(issued(server))
    head = JSON | {"authorization": f"Bearer {token_of('store-8')}", "idempotency-key": once}
    named = head | {"x-client-id": "store-7", "x-client": "store-7"}
    assert server.post("/v1/coupons/redeem", body, named).json["replay"] is False
    assert server.coupons("store-8", "redeem", body, once).json["replay"] is True


@pytest.mark.parametrize("operation", [one.name for one in OPERATIONS if one.changes])
def test_a_change_needs_one_fit_key(server: Server, operation: str) -> None:
    client = min(ALLOWED[operation])
    assert is_problem(server.coupons(client, operation, {}), 400, "missing_idempotency_key")
    for odd in ("short", "x" * 129, "tab\there", "l\xe4nger-als-acht"):
        reply = server.coupons(client, operation, {}, odd)
        assert is_problem(reply, 400, "invalid_idempotency_key"), odd
        assert reply.json["errors"][0]["field"] == "Idempotency-Key"


def test_two_keys_are_refused(server: Server) -> None:
    head = f"POST /v1/coupons/reverse HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token_of('store-7')}\r\n"
    head += "content-type: application/json\r\nidempotency-key: one-key-1\r\nidempotency-key: one-key-2\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"connection: close\r\ncontent-length: 2\r\n\r\n{}")
        assert b"invalid_idempotency_key" in connection.makefile("rb").read()


def test_answers_are_not_kept_by_anybody_on_the_way(server: Server) -> None:
    assert server.coupons("shop", "issue", issue(), key()).headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    return server.get("/v1/openapi.json").json


def test_the_document_is_openapi_and_has_every_route(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {one.path for one in OPERATIONS}
    for operation in OPERATIONS:
        described = document["paths"][operation.path]["post"]
        assert [one["name"] for one in described["parameters"]] == ["Idempotency-Key"] * operation.changes
        assert set(described["responses"]) == {"200", *map(str, codes(operation))}
    assert document["security"] == [{"key": []}]


def test_answers_are_as_the_document_says(server: Server, document: dict[str, Any]) -> None:
    for operation, reply in lived(server):
        responses = document["paths"][f"/v1/coupons/{operation}"]["post"]["responses"]
        [(kind, body)] = responses[str(reply.status)]["content"].items()
        assert reply.headers["content-type"] == kind
        named = (body["schema"].get("$ref") or body["schema"]["allOf"][0]["$ref"]).rsplit("/", 1)[1]
        schema = document["components"]["schemas"][named]
        assert set(schema["required"]) <= set(reply.json) <= set(schema["properties"])
        if reply.status != 200:
            assert reply.json["code"] in body["schema"]["allOf"][1]["properties"]["code"]["enum"]


def lived(server: Server) -> Iterator[tuple[str, Reply]]:
    """One answer of every route at least, and some refusals."""
    code, redeem_key = issued(server), key()
    yield "issue", server.coupons("shop", "issue", issue(), key())
    yield "issue", server.coupons("shop", "issue", issue(household="x"), key())
    yield "validate", server.coupons("store-7", "validate", place(code))
    yield "hold", server.coupons("store-7", "hold", place(code), key())
    yield "hold", server.coupons("store-7", "hold", place(code))
    yield "redeem", server.coupons("store-7", "redeem", basket(code), redeem_key)
    yield "redeem", server.coupons("shop", "redeem", basket(code), key())
    yield "void", server.coupons("office", "void", {"code": code}, key())
    yield "reverse", server.coupons("store-7", "reverse", {"redeem_key": redeem_key}, key())
    yield "void", server.coupons("office", "void", {"code": code}, key())


def test_no_log_and_no_refusal_holds_what_was_asked(server: Server) -> None:
    code, marked = issued(server), "basket-marker"
    with ledger(server.settings) as opened:
        before = opened.latest_fact()
    bodies: list[dict[str, Any]] = [
        basket(code, basket_id=marked, till_id="till-marker"),
        basket(code, basket_id=[marked], household_id="household-marker"),
        basket(code, discount="discount-marker", basket_id=marked),
        basket("code-marker", basket_id=marked, household_id="household-marker"),
    ]
    replies = [server.coupons("store-8", "redeem", body, f"key-marker-{key()}") for body in bodies]
    replies.append(server.post("/v1/coupons/redeem", bodies[0], JSON | {"authorization": "Bearer token-marker-long"}))
    assert [reply.status for reply in replies] == [200, 400, 400, 404, 401]
    assert before is not None
    said = server.errors.read_text() + "".join(reply.body.decode() for reply in replies)
    for secret in ("-marker", "token-marker", code, code.replace("-", "")):
        assert secret not in said
