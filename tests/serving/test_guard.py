"""Whatever is sent, the answer is a problem that names the field, and never a fault of the service."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guard import Guard
from serving.problem import Problem
from serving.route import Route
from tests.serving.conftest import JSON, Reply, Server

NUL = '{"household_id": "a\\u0000b"}'
HEAD = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
PAIR = {"household_id": "1", "coupon_id": "10"}

MALFORMED: list[tuple[str, str | bytes, str]] = [
    ("/recommend", "", "body"),
    ("/recommend", " ", "body"),
    ("/recommend", "null", "body"),
    ("/recommend", "[]", "body"),
    ("/recommend", '"1"', "body"),
    ("/recommend", "1", "body"),
    ("/recommend", "NaN", "body"),
    ("/recommend", "{", "body"),
    ("/recommend", "{'household_id': '1'}", "body"),
    ("/recommend", '{"household_id": "1"} x', "body"),
    ("/recommend", b'{"household_id": "\xff"}', "body"),
    ("/recommend", b"\x80\x04\x95", "body"),
    ("/recommend", "{}", "household_id"),
    ("/recommend", '{"household_id": 1}', "household_id"),
    ("/recommend", '{"household_id": null}', "household_id"),
    ("/recommend", '{"household_id": true}', "household_id"),
    ("/recommend", '{"household_id": ["1"]}', "household_id"),
    ("/recommend", '{"household_id": NaN}', "household_id"),
    ("/recommend", '{"household_id": ""}', "household_id"),
    ("/recommend", '{"household_id": "' + "1" * 65 + '"}', "household_id"),
    ("/recommend", NUL, "household_id"),
    ("/recommend", '{"household_id": "a\\nb"}', "household_id"),
    ("/recommend", '{"household_id": "\\ud800"}', "household_id"),
    ("/recommend", '{"household_id": "1", "household_id": "2"}', "household_id"),
    ("/recommend", '{"household_id": "1", "limit": 0}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": 11}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": "5"}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": 5.0}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": true}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": 1e999}', "limit"),
    ("/recommend", '{"household_id": "1", "limit": ' + "9" * 3000 + "}", "limit"),
    ("/recommend", '{"household_id": "1", "colour": "red"}', "colour"),
    ("/recommend", '{"household_id": "1", "store_id": 7}', "store_id"),
    ("/recommend", '{"household_id": "1", "basket": {}}', "basket"),
    ("/recommend", '{"household_id": "1", "basket": [1]}', "basket.0"),
    ("/recommend", '{"household_id": "1", "basket": [{"product_id": "1"}]}', "basket.0.quantity"),
    ("/recommend", '{"household_id": "1", "basket": [{"product_id": "1", "quantity": -1}]}', "basket.0.quantity"),
    ("/recommend", "[" * 2000, "body"),
    ("/score", "{}", "pairs"),
    ("/score", '{"pairs": []}', "pairs"),
    ("/score", '{"pairs": "1"}', "pairs"),
    ("/score", '{"pairs": [{"household_id": "1"}]}', "pairs.0.coupon_id"),
    ("/score", json.dumps({"pairs": [PAIR, {**PAIR, "coupon_id": 10}]}), "pairs.1.coupon_id"),
    ("/score", json.dumps({"pairs": [{**PAIR, "x": 1}]}), "pairs.0.x"),
]


def is_problem(reply: Reply, status: int, code: str | None = None) -> bool:
    assert reply.headers["content-type"] == "application/problem+json"
    assert set(reply.json) == {"type", "title", "status", "detail", "code", "errors"}
    return reply.status == reply.json["status"] == status and code in (None, reply.json["code"])


@pytest.mark.parametrize(("path", "body", "field"), MALFORMED)
def test_a_malformed_body_is_refused_by_its_field(server: Server, path: str, body: str | bytes, field: str) -> None:
    reply = server.post(path, body)
    assert is_problem(reply, 400)
    assert field in [error["field"] for error in reply.json["errors"]]
    assert all(error["message"] for error in reply.json["errors"])


def test_a_body_over_the_limit_is_refused(server: Server) -> None:
    assert is_problem(server.post("/recommend", b'{"household_id": "' + b"1" * 5000 + b'"}'), 413, "body_too_large")
    assert is_problem(server.post("/score", b" " * (1 << 20) + b"{}"), 413, "body_too_large")
    assert is_problem(server.post("/score", b" " * (50 << 20)), 413, "body_too_large")


def test_a_body_sent_in_chunks_is_counted_too(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n" + b"10\r\n" + b" " * 16 + b"\r\n0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_arrive_is_not_waited_for(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(HEAD + b"content-length: 22\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_ten_thousand_pairs_fit_and_one_more_is_refused(server: Server) -> None:
    assert len(server.post("/score", {"pairs": [PAIR] * 10_000}).json["scores"]) == 10_000
    reply = server.post("/score", {"pairs": [PAIR] * 10_001})
    assert is_problem(reply, 400)
    assert reply.json["errors"][0]["field"] == "pairs"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/vnd.bentoml+pickle", ""]
)
def test_a_body_of_another_type_is_refused(server: Server, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    assert is_problem(server.post("/recommend", '{"household_id": "1"}', headers), 415)


def test_a_charset_beside_the_content_type_is_fine(server: Server) -> None:
    kind = {"content-type": "application/json; charset=utf-8"}
    assert server.post("/recommend", '{"household_id": "1"}', kind).status == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/recommend/", "/recommend/x", "//recommend", "/static_content", "/healthz", "/%00", "/docs"]
)
def test_a_path_that_is_not_named_does_not_exist(server: Server, path: str) -> None:
    assert is_problem(server.get(path), 404, "not_found")
    assert is_problem(server.post(path, "{}"), 404, "not_found")


def test_paths_below_the_static_folder_cannot_leave_it(server: Server) -> None:
    for path in ("/static_content/../../app.py", "/static_content/%2e%2e/%2e%2e/app.py", "/static_content/nothing"):
        assert server.get(path).status == 404


def test_another_method_is_refused_with_those_that_are_allowed(server: Server) -> None:
    reply = server.get("/recommend")
    assert is_problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"
    for method in ("DELETE", "PUT", "OPTIONS", "TRACE"):
        assert is_problem(server.send(method, "/score"), 405)
    assert is_problem(server.post("/livez", {}), 405)


def test_every_answer_names_its_request(server: Server) -> None:
    replies = [server.get("/livez"), server.get("/nowhere"), server.get("/recommend"), server.post("/score", "{")]
    replies.append(server.post("/recommend", {"household_id": "1"}, JSON | {"x-request-id": "of-the-caller"}))
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)
    assert replies[-1].headers["x-request-id"] == replies[-1].json["request_id"]


def test_a_refusal_tells_nothing_of_the_value_and_leaves_no_log(server: Server) -> None:
    reply = server.post("/recommend", '{"household_id": "1", "store_id": ["secret-marker"]}', JSON)
    assert b"secret-marker" not in reply.body
    assert "secret-marker" not in server.errors.read_text()


def answered(
    app: ASGIApp, route: Route | None = None, headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[int, dict[str, object]]:
    """Status and body of what the guard makes of one request to `app`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": headers or []}
    asyncio.run(Guard(app, {"/": route or Route()}, lambda: True)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_fault_below_becomes_one_problem_and_one_log_line_without_values(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret-marker")

    status, body = answered(faulty)
    assert (status, body["code"]) == (500, "internal_error")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["no answer to /"]
    assert "RuntimeError at tests.serving.test_guard" in caplog.text
    assert "secret-marker" not in caplog.text + json.dumps(body)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failure_that_the_application_words_itself_is_worded_as_a_problem(status: int) -> None:
    assert answered(Response("secret-marker", status))[1]["code"] == "internal_error"


def test_a_failure_that_is_a_problem_already_is_passed_on() -> None:
    assert answered(Problem(503, "storage_full", "The disk is full.").response())[1]["code"] == "storage_full"


def test_a_change_that_took_too_long_may_have_been_made() -> None:
    status, body = answered(Response("", 504), Route(needs_key=True), [(b"idempotency-key", b"key-0001")])
    assert (status, body["code"]) == (503, "outcome_unknown")


def test_an_application_that_sends_nothing_is_answered_for() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    assert answered(silent)[0] == 500
