"""What every client of a storm does, request by request: a function of the seed, so that a killed one can go on."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.proofs.ledger.storming.world import BOUND, CLIENT_OFFERS, DISCOUNTS, LATER_HOUSEHOLDS, Given

PLAN: Final = "plan.json"
BESIDE_EVERY: Final = 6
"""Every so many requests one is sent with another one beside it, at the same moment."""
WEIGHTS: Final = {"redeem": 82, "reverse": 9, "issue": 5, "validate": 3, "void": 1.5, "hold": 0.7}
NARROW, WIDE = 6, 60
"""How many coupons all clients work at together."""
LONGEST_LOOK: Final = 40
OWN: Final = "own"
"""Stands for the code of the coupon that the process was given last, or the key of what it was granted last."""


@dataclass(frozen=True)
class Asked:
    """A request to be sent."""

    operation: str
    key: str | None
    request: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """All that a client process must know."""

    folder: str
    port: int
    seed: int
    processes: int
    redeems: int
    """Attempts to redeem of each process, at least."""
    begins: int
    """Instant of the machine (ns) before which nobody asked anything."""

    def write(self) -> None:
        """Put it where the clients look for it."""
        (Path(self.folder) / PLAN).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan in a folder."""
        return cls(**json.loads((folder / PLAN).read_text(encoding="utf-8")))

    @cached_property
    def codes(self) -> list[Given]:
        """The coupons that were issued before the storm."""
        return [Given(*row) for row in json.loads((Path(self.folder) / "codes.json").read_text(encoding="utf-8"))]

    @property
    def requests(self) -> int:
        """How many requests each process sends; a few more than would be enough on average."""
        return int(self.redeems * sum(WEIGHTS.values()) / WEIGHTS["redeem"] * 1.03) + 20

    def history(self, process: int) -> Path:
        """The file in which a process notes what it was told."""
        return Path(self.folder) / f"history-{process:02}.jsonl"

    def asked(self, process: int, number: int) -> Asked:
        """What a process asks for as its request of this number."""
        draw = self._draw(process, number)
        chance = draw.random()
        if chance < 0.03 and number > LONGEST_LOOK:
            return self.asked(process, number - draw.randint(1, LONGEST_LOOK))
        if chance < 0.033 and number > LONGEST_LOOK:
            # A key that belongs to something else.
            other = self._key_of(process, self._redeem_near(process, number, -1))
            return Asked("redeem", other, self._redeem(draw, process, number, f"reused-{process}-{number}"))
        return self._drawn(draw, process, number)

    def beside(self, asked: Asked, number: int) -> Asked | None:
        """What is sent at the same moment: the same once more, or the reversal of this very redemption."""
        if number % BESIDE_EVERY:
            return None
        if asked.operation == "redeem" and number % (2 * BESIDE_EVERY):
            return Asked("reverse", f"beside-{asked.key}", {"redeem_key": asked.key})
        return asked

    def _draw(self, process: int, number: int) -> random.Random:
        return random.Random(f"{self.seed}/{process}/{number}")

    def _kind(self, process: int, number: int) -> str:
        draw = self._draw(process, number)
        draw.random()
        return draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]

    def _drawn(self, draw: random.Random, process: int, number: int) -> Asked:
        operation = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        key = f"{operation}-{process:02}-{number:06}"
        match operation:
            case "redeem":
                return Asked(operation, key, self._redeem(draw, process, number, key))
            case "reverse":
                return Asked(operation, key, {"redeem_key": self._target(draw, process, number)})
            case "issue":
                household, coupon = draw.choice(LATER_HOUSEHOLDS), draw.choice(CLIENT_OFFERS)
                return Asked(
                    operation, key, {"household_id": str(household), "coupon_id": str(coupon), "channel": "app"}
                )
            case "validate":
                return Asked(operation, None, {"code": self._given(draw, number).code, "store_id": "1"})
            case "void":
                return Asked(operation, key, {"code": self._given(draw, number).code})
        ahead = self._given(draw, number + self.requests // 20)
        return Asked("hold", key, {"code": ahead.code, "store_id": "1", "basket_id": key})

    def _target(self, draw: random.Random, process: int, number: int) -> str:
        """Which redemption is undone: mostly the last that was granted, else one near, which may not have come yet."""
        if draw.random() < 0.6:
            return OWN
        direction = 1 if draw.random() < 0.5 else -1
        return self._key_of(process, self._redeem_near(process, number, direction))

    def _key_of(self, process: int, number: int) -> str:
        return f"redeem-{process:02}-{number:06}"

    def _redeem_near(self, process: int, number: int, direction: int) -> int:
        """The number of the nearest request to redeem, after (1) or before (-1) this one."""
        near = range(number + direction, number + direction * LONGEST_LOOK, direction)
        return next((one for one in near if one >= 0 and self._kind(process, one) == "redeem"), number)

    def _given(self, draw: random.Random, number: int) -> Given:
        """A coupon: three times of four one that all clients work at by now."""
        place = int(number / self.requests * len(self.codes)) + draw.randrange(draw.choice((NARROW, WIDE)))
        if draw.random() < 0.25:
            place = draw.randrange(len(self.codes))
        return self.codes[place % len(self.codes)]

    def _redeem(self, draw: random.Random, process: int, number: int, basket: str) -> dict[str, Any]:
        given = self._given(draw, number)
        request: dict[str, Any] = {
            "code": given.code,
            "store_id": "1",
            "till_id": "1",
            "basket_id": basket,
            "lines": [{"product_id": "1", "quantity": 1, "gross_cents": 900 if draw.random() < 0.95 else 300}],
            "discount_cents": draw.choice(DISCOUNTS),
        }
        if draw.random() < 0.03:
            return request | {"code": OWN}
        if draw.random() < 0.002:
            return request | {"code": "0000-0000-0000-00000"}
        if given.coupon_id == BOUND and draw.random() < 0.9:
            request["household_id"] = str(given.household_id)
        return request


def client_name(process: int) -> str:
    """As whom a process asks."""
    return f"store-{process}"


def token_of(client: str) -> str:
    """The bearer key of a client."""
    return f"token-of-the-storm-for-{client}"
