"""Bad requests of every kind for the coupon routes: none of them may change anything, whatever else it gets."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.serving.world import BOUND, FUSSY, PLAIN, VALUE, token_of

from coupon_pipeline.ledger.codes import ALPHABET, code_of
from coupon_pipeline.ledger.keys import Keys

JSON = "application/json"
GUESSED = ("validate", "hold", "redeem")
GUESSES = 19
"""Unknown codes that a client may send before it has to wait: then another one goes on, so that all are looked up."""
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    5.0,
    0.5,
    10**30,
    "",
    "\0",
    "x" * 5000,
    [],
    {},
    [[]],
    {"a": 1},
    "é",
    -(10**30),
)
AMOUNTS: tuple[Any, ...] = (-1, -(10**9), 10**9 + 1, 2**63, 10**40, 0.5, 50.0, 1e3, "50", None, True, [5], {})
KEYS = ("", "short", "x" * 129, "x" * 4000, "tab\there", "l\xe4nger-als-acht", "\xff" * 20)
TOKENS = ("", "Bearer", "Bearer x", "Basic abc", f"Bearer {token_of('nobody')}", "Bearer " + "x" * 3000)
KINDS_OF_CONTENT = ("", "text/plain", "text/json", "multipart/form-data; boundary=x", "application/xml", "x" * 200)


@dataclass(frozen=True)
class Asked:
    """One request."""

    kind: str
    operation: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    path: str = ""


@dataclass
class World:
    """What the requests are made from: codes in every state, keys that were used, clients without number."""

    draw: random.Random
    spoilt: Mapping[str, str]
    live: Mapping[int, str]
    """Coupon -> a code of household 5 that could be redeemed."""
    used: Mapping[str, tuple[str, str]]
    """Operation -> client and key of a request that was granted."""
    guessers: Iterator[str]
    fresh: Iterator[int] = field(default_factory=count)
    guessed: int = 0
    guesser: str = ""

    def key(self) -> str:
        return f"bad-key-{next(self.fresh):08}"

    def client(self, operation: str) -> str:
        return {"issue": "shop", "void": "office"}.get(operation, "store-7")

    def guessing(self) -> str:
        """A client that has a guess left."""
        if self.guessed % GUESSES == 0:
            self.guesser = next(self.guessers)
        self.guessed += 1
        return self.guesser

    def valid(self, operation: str, code: str) -> dict[str, Any]:
        """A body of the right shape."""
        place = {"code": code, "store_id": "7", "till_id": "2", "basket_id": f"basket-{next(self.fresh)}"}
        lines = [{"product_id": "7", "quantity": 2, "gross_cents": 400}]
        return {
            "issue": {"household_id": "5", "coupon_id": "999999", "channel": "app"},
            "validate": place | {"lines": lines},
            "hold": place | {"lines": lines},
            "redeem": place | {"lines": lines, "discount_cents": 50},
            "void": {"code": code},
            "reverse": {"redeem_key": "short"},
        }[operation]

    def asked(self, kind: str, operation: str, body: Any, **changes: Any) -> Asked:
        """The request of a client that may ask for it; `changes` to its client, key, content type, method and path."""
        client, key = changes.get("client", self.client(operation)), changes.get("key", self.key())
        headers = [("content-type", changes.get("content", JSON)), ("authorization", f"Bearer {token_of(client)}")]
        headers += [("idempotency-key", one) for one in ([key] if isinstance(key, str) else key)]
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = tuple(changes.get("headers", [header for header in headers if header != ("content-type", "")]))
        return Asked(kind, operation, data, sent, changes.get("method", "POST"), changes.get("path", ""))

    def any_of(self, *operations: str) -> str:
        return self.draw.choice(operations)


def unknown(world: World) -> Asked:
    operation = world.any_of("validate", "hold", "redeem")
    code = code_of(Keys.random().newest, world.draw.getrandbits(40))
    return world.asked("unknown code", operation, world.valid(operation, code), client=world.guessing())


def malformed(world: World) -> Asked:
    operation = world.any_of("validate", "hold", "redeem")
    letters = world.draw.choice((ALPHABET, "ILOU!?*", "é√\0\n", "-' "))
    code = "".join(world.draw.choices(letters, k=world.draw.choice((0, 1, 16, 17, 20, 25, 200))))
    return world.asked("malformed code", operation, world.valid(operation, code), client=world.guessing())


def spoilt(world: World) -> Asked:
    operation = world.any_of("validate", "hold", "redeem")
    name = world.draw.choice(sorted(world.spoilt))
    return world.asked(f"{name} code", operation, world.valid(operation, world.spoilt[name]))


def foreign(world: World) -> Asked:
    operation = world.any_of("validate", "hold", "redeem")
    household = world.draw.choice(("6", "3", "99", "nobody", "05", "9" * 60, None))
    body = world.valid(operation, world.live[BOUND]) | {"household_id": household}
    return world.asked("foreign code", operation, body)


def amount(world: World) -> Asked:
    body = world.valid("redeem", world.live[PLAIN])
    name = world.draw.choice(("discount_cents", "quantity", "gross_cents"))
    odd = world.draw.choice((*AMOUNTS, world.draw.randint(-(10**12), -1), world.draw.uniform(0, 100)))
    (body if name == "discount_cents" else body["lines"][0])[name] = odd
    return world.asked("amount", "redeem", body)


def basket(world: World) -> Asked:
    """Well formed, and not what the coupon asks for."""
    line = {"product_id": "7", "quantity": 2, "gross_cents": 400}
    changes = world.draw.choice(
        (
            {"discount_cents": world.draw.randint(VALUE + 1, 10**9)},
            {"lines": []},
            {"lines": [line | {"gross_cents": world.draw.randint(0, 49)}]},
            {"lines": [line | {"product_id": world.draw.choice(("9", "x", "77"))}]},
        )
    )
    return world.asked("basket", "redeem", world.valid("redeem", world.live[FUSSY]) | changes)


def keys(world: World) -> Asked:
    operation = world.any_of("issue", "hold", "redeem", "reverse", "void")
    body = world.valid(operation, world.live[PLAIN]) | ({"redeem_key": world.key()} if operation == "reverse" else {})
    odd = world.draw.choice((*KEYS, (), (world.key(), world.key()), ("same-key-1", "same-key-1")))
    return world.asked("key", operation, body, key=odd)


def reused(world: World) -> Asked:
    """The key of something that was granted, for something else."""
    operation = world.any_of(*world.used)
    client, key = world.used[operation]
    body = world.valid(operation, world.live[PLAIN])
    if operation == "issue":
        body |= {"coupon_id": str(PLAIN), "household_id": world.draw.choice(("7", "8", "9"))}
    if operation == "reverse":
        body = {"redeem_key": world.key()}
    return world.asked("key reused", operation, body, client=client, key=key)


def shape(world: World) -> Asked:
    operation = world.any_of("issue", "validate", "hold", "redeem", "reverse", "void")
    body = world.valid(operation, world.spoilt["redeemed"])
    draw, client = world.draw, world.guessing() if operation in GUESSED else world.client(operation)
    change = draw.randrange(5)
    if change == 0:
        return world.asked("shape", operation, draw.choice((*ODD[:8], [], [body], "text", {})))
    if change == 1:
        del body[draw.choice([name for name in body if operation != "validate" or name in ("code", "store_id")])]
    elif change == 2:
        body[draw.choice(("colour", "CODE", "client", "", "__proto__", "x" * 70))] = draw.choice(ODD)
    elif change == 3:
        return world.asked("shape", operation, json.dumps(body).encode()[:-1] + b', "code": "a", "code": "b"}')
    else:
        # Of a type that no field has.
        body[draw.choice(list(body))] = draw.choice((True, 0.5, {}, {"a": [1]}, [None], "x" * 5000, -1))
    return world.asked("shape", operation, body, client=client)


def mutated(world: World) -> Asked:
    """A body that would be refused as it is, with some bytes changed."""
    operation = world.any_of("issue", "validate", "hold", "redeem")
    body = bytearray(json.dumps(world.valid(operation, world.spoilt["redeemed"])).encode())
    for _ in range(world.draw.randint(1, 4)):
        at = world.draw.randrange(len(body))
        change = world.draw.randrange(4)
        if change == 0:
            body[at] = world.draw.randrange(256)
        elif change == 1:
            body.insert(at, world.draw.randrange(256))
        elif change == 2:
            del body[at : at + world.draw.randint(1, 9)]
        else:
            body[at:at] = body[at : at + world.draw.randint(1, 30)]
    client = world.guessing() if operation != "issue" else "shop"
    return world.asked("mutated", operation, bytes(body), client=client)


def content(world: World) -> Asked:
    operation = world.any_of("issue", "validate", "hold", "redeem", "reverse", "void")
    body = world.valid(operation, world.live[PLAIN])
    return world.asked("content type", operation, body, content=world.draw.choice(KINDS_OF_CONTENT))


def token(world: World) -> Asked:
    operation = world.any_of("issue", "validate", "hold", "redeem", "reverse", "void")
    body = world.valid(operation, world.live[PLAIN]) | ({"redeem_key": world.key()} if operation == "reverse" else {})
    wrong = {"issue": "store-7", "void": "store-7", "validate": "office"}.get(operation, "shop")
    chosen = world.draw.choice((world.draw.choice(TOKENS), f"Bearer {token_of(wrong)}", f"bearer  {token_of(wrong)}"))
    headers = [("content-type", JSON), ("authorization", chosen), ("idempotency-key", world.key())]
    return world.asked("token", operation, body, headers=headers)


def method(world: World) -> Asked:
    operation = world.any_of("issue", "validate", "hold", "redeem", "reverse", "void")
    path = world.draw.choice(("", "", f"/v1/coupons/{operation}/", "/v1/coupons", f"/v1//coupons/{operation}", "/v1/x"))
    used = world.draw.choice(("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"))
    return world.asked("method and path", operation, world.valid(operation, world.live[PLAIN]), method=used, path=path)


def large(world: World) -> Asked:
    operation = world.any_of("issue", "validate", "redeem")
    body = world.valid(operation, world.live[PLAIN]) | {"store_id": "x" * world.draw.choice((50_000, 200_000))}
    return world.asked("large", operation, body)


KINDS: tuple[tuple[int, Callable[[World], Asked]], ...] = (
    (10, unknown),
    (10, malformed),
    (10, spoilt),
    (6, foreign),
    (12, amount),
    (6, basket),
    (8, keys),
    (6, reused),
    (12, shape),
    (16, mutated),
    (4, content),
    (6, token),
    (4, method),
    (1, large),
)
"""How often, and what."""
