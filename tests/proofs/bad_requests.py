"""Thousands of bad requests over a real socket: each is refused by name, nothing changes, the service lives on."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from serving.coupon_operations import OPERATIONS
from serving.openapi import codes
from tests.proofs.bad_kinds import KINDS, Asked, World
from tests.serving.conftest import Reply, Server, running
from tests.serving.world import BOUND, FUSSY, PLAIN, counted, prepare, spoilt, token_of

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.settings import Settings

SEED = 11
DOCUMENTED = {
    operation.name: {(status, code) for status, found in codes(operation).items() for code in found}
    for operation in OPERATIONS
}
MEMBERS = {"type", "title", "status", "detail", "code", "errors"}
PLANTED: dict[str, Reply] = {
    "a fault": Reply(500, {"content-type": "application/problem+json"}, b'{"code": "internal_error", "status": 500}'),
    "a change": Reply(200, {"content-type": "application/json"}, b'{"replay": false}'),
    "plain text": Reply(404, {"content-type": "text/plain"}, b"Not Found"),
    "a code of its own": Reply(
        409,
        {"content-type": "application/problem+json"},
        b'{"type": "", "title": "", "status": 409, "detail": "No.", "code": "odd", "errors": []}',
    ),
}
"""Answers that must be found fault with: whoever cannot see them proves nothing."""


def rows(short: bool) -> Iterator[Outcome]:
    """Requests, what was wrong with their answers, and what they left behind."""
    wanted = 1_000 if short else 10_000
    with TemporaryDirectory(prefix="bad-requests-") as name:
        data = Path(name)
        settings = prepare(data)
        guessers = add_guessers(settings, wanted // 10 + 100)
        with running(data) as server:
            world = world_of(server, iter(guessers))
            before = counted(settings)
            kinds, reached, faults = asked_all(server, world, wanted)
            after = counted(settings)
            yield Outcome("bad requests", sum(kinds.values()), op=">=", bar=wanted)
            for kind, number in sorted(kinds.items()):
                yield Outcome(f"bad requests: {kind}", number, op=">=", bar=1)
            yield Outcome("bad requests: codes reached", len(reached), op=">=", bar=20)
            for fault in ("taken", "5xx", "no problem", "not documented", "lost"):
                yield Outcome(f"bad requests: {fault}", faults[fault], op="<=", bar=0)
            changes = sum(abs(now - then) for now, then in zip(after, before, strict=True))
            yield Outcome("bad requests: rows of the ledger changed", changes, op="<=", bar=0)
            logged = server.errors.read_text()
            yield Outcome("bad requests: lines in the log", len(logged.splitlines()), op="<=", bar=0)
            os.kill(server.pid, 0)
            yield Outcome(
                "bad requests: the service is ready after them",
                int(server.get("/readyz").status == 200),
                op=">=",
                bar=1,
            )
            good = server.coupons("store-7", "redeem", world.valid("redeem", world.live[PLAIN]), "a-good-key").status
            seen = int(good == 200 and counted(settings) != after)
            yield Outcome("bad requests: a good one is granted and seen", seen, op=">=", bar=1)
    caught = sum(bool(fault_of(Asked("", "redeem", b"", ()), reply)) for reply in PLANTED.values())
    yield Outcome("bad requests: planted faults seen", caught, op=">=", bar=len(PLANTED))


def asked_all(server: Server, world: World, wanted: int) -> tuple[Counter[str], set[str], Counter[str]]:
    """Kinds that were asked, codes that were answered, faults of answers."""
    kinds, faults, reached = Counter[str](), Counter[str](), set[str]()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    makers = [maker for _, maker in KINDS]
    for maker in world.draw.choices(makers, [weight for weight, _ in KINDS], k=wanted):
        asked = maker(world)
        kinds[asked.kind] += 1
        reply = answer_of(connection, asked)
        fault = fault_of(asked, reply)
        if fault:
            faults[fault] += 1
        elif reply is not None:
            reached.add(reply.json["code"])
    connection.close()
    return kinds, reached, faults


def answer_of(connection: HTTPConnection, asked: Asked) -> Reply | None:
    """What came back; None where the connection was lost."""
    try:
        connection.putrequest(asked.method, asked.path or f"/v1/coupons/{asked.operation}")
        for name, value in asked.headers:
            connection.putheader(name, value.encode("latin-1"))
        connection.putheader("content-length", str(len(asked.body)))
        connection.endheaders(asked.body)
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    except (OSError, HTTPException):
        connection.close()
        return None


def fault_of(asked: Asked, reply: Reply | None) -> str:
    """What is wrong with an answer to a bad request; empty if nothing is."""
    if reply is None:
        return "lost"
    if reply.status >= 500:
        return "5xx"
    if reply.status < 400:
        return "taken"
    if reply.headers["content-type"] != "application/problem+json" or set(reply.json) != MEMBERS:
        return "no problem"
    found = (reply.status, reply.json["code"])
    is_path = found == (404, "not_found") and asked.path
    named = reply.json["detail"] and reply.json["status"] == reply.status and "x-request-id" in reply.headers
    return "" if named and (is_path or found in DOCUMENTED[asked.operation]) else "not documented"


def add_guessers(settings: Settings, number: int) -> list[str]:
    """Clients beside those of the tests, each of which may guess some codes."""
    assert settings.api_keys is not None
    names = [f"guesser-{at}" for at in range(number)]
    entries = json.loads(settings.api_keys.read_text())
    more = {sha256(token_of(name).encode()).hexdigest(): {"client": name, "role": "till"} for name in names}
    settings.api_keys.write_text(json.dumps(entries | more))
    return names


def world_of(server: Server, guessers: Iterator[str]) -> World:
    """Codes in every state, and a granted request of every operation."""
    codes = {}
    for coupon in (PLAIN, FUSSY, BOUND):
        issue = {"household_id": "5", "coupon_id": str(coupon), "channel": "app"}
        codes[coupon] = server.coupons("shop", "issue", issue, f"live-code-{coupon}").json["code"]
    world = World(random.Random(SEED), spoilt(server.settings), codes, {}, guessers)
    used = {"issue": ("shop", f"live-code-{PLAIN}"), "hold": ("store-7", "held-key"), "redeem": ("store-7", "used-key")}
    for operation in ("hold", "redeem"):
        spare = {"household_id": "6", "coupon_id": str(PLAIN), "channel": "app"}
        code = server.coupons("shop", "issue", spare, f"spare-code-{operation}").json["code"]
        client, key = used[operation]
        assert server.coupons(client, operation, world.valid(operation, code), key).status == 200
    return replace(world, used=used)
