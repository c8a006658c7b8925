"""Clients of a toy ledger whose steps a draw interleaves, with deaths between any two: the history that they leave."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.proofs.ledger.judging.checker import Verdict, judge
from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.judging.told import Told
from tests.proofs.ledger.toys.toy import RefusedError, Toy, Work

from coupon_pipeline.ledger.records import CampaignTerms, CouponTerms, Definitions

HOUSEHOLDS: Final = 7
DEFINITIONS: Final = Definitions(
    campaigns=(CampaignTerms(1, per_household=2, liability_cents=400),),
    coupons=(
        CouponTerms(1, 1, 100, 0, 90),
        CouponTerms(2, 1, 100, 0, 130),
        CouponTerms(3, 1, 100, 0, 10_000, max_issues=2),
        CouponTerms(4, 1, 50, 30, 10_000, category="bread", min_spend_cents=300),
        CouponTerms(5, 1, 100, 0, 10_000, category="bread"),
    ),
    consents={household: household < HOUSEHOLDS for household in range(1, HOUSEHOLDS + 1)},
)
TOLD: Final = Told(DEFINITIONS, origin=0)
USING: Final = {
    "redeem": 8,
    "issue": 2,
    "reverse": 4,
    "hold": 2,
    "validate": 1,
    "void": 1,
    "withdraw": 0.3,
    "expire": 0.3,
}
ISSUING: Final = {"issue": 12, "redeem": 1, "void": 3, "reverse": 1, "withdraw": 0.3, "expire": 0.5}
DEATHS: Final = 0.004
"""Chance of a death of the toy's process at each step."""


@dataclass
class Runner:
    """A process that acts as a client; two share each client, so that equal keys meet."""

    client: str
    attempt: Attempt | None = None
    work: Work | None = None
    again: list[Attempt] = field(default_factory=list)
    """Attempts whose outcome is not known: the same once more."""


class Play:
    """One history in the making; each step takes a millisecond."""

    def __init__(self, toy: Toy, draw: random.Random) -> None:
        self.toy, self.draw, self.tick = toy, draw, 1
        self.history: list[Attempt] = []
        self.runners = [Runner(f"store-{number // 2}") for number in range(4)]
        self.codes = ["code-99"]
        self.keys = 0
        self.weights = draw.choice((USING, ISSUING))

    def run(self, steps: int) -> list[Attempt]:
        """Let so many steps happen, then let all end what they have begun."""
        # Also after a few steps there is time for all to end: what is under way would be missing from the history.
        for number in range(steps + max(steps, 1_000)):
            busy = [runner for runner in self.runners if runner.work is not None]
            if number >= steps and not busy:
                break
            runner = self.draw.choice(self.runners if number < steps else busy)
            if runner.work is None:
                self._begin(runner)
            elif number < steps and self.draw.random() < DEATHS:
                self._die()
            else:
                self._go_on(runner)
            self.tick += 1
            self.toy.now = self.tick
        return self.history

    def _begin(self, runner: Runner) -> None:
        attempt = runner.again.pop() if runner.again else self._drawn(runner.client)
        runner.attempt = replace(attempt, called=self.tick * 1_000_000, returned=None, answer=None, refusal=None)
        runner.work = self.toy.run(attempt.client, attempt.operation, attempt.key, attempt.request)

    def _go_on(self, runner: Runner) -> None:
        assert runner.work is not None
        try:
            next(runner.work)
        except StopIteration as end:
            self._note(runner, answer=end.value)
        except RefusedError as refusal:
            self._note(runner, refusal=str(refusal))

    def _note(self, runner: Runner, **told: Any) -> None:
        assert runner.attempt is not None
        done = replace(runner.attempt, returned=self.tick * 1_000_000, **told)
        runner.attempt = runner.work = None
        if done.operation == "expire":
            return
        self.history.append(done)
        if done.operation == "issue" and done.answer is not None:
            self.codes.append(done.answer["code"])

    def _die(self) -> None:
        for runner in self.runners:
            if runner.work is not None and runner.attempt is not None:
                runner.work.close()
                if runner.attempt.operation != "expire":
                    self.history.append(runner.attempt)
                    runner.again.append(runner.attempt)
                runner.attempt = runner.work = None
        self.toy.die()

    def _drawn(self, client: str) -> Attempt:
        mine = [attempt for attempt in self.history if attempt.client == client and attempt.key is not None]
        running = [one.attempt for one in self.runners if one.client == client and one.attempt is not None]
        if running and self.draw.random() < 0.3:
            return running[0]
        if mine and self.draw.random() < 0.15:
            return self.draw.choice(mine)
        operation = self.draw.choices(list(self.weights), list(self.weights.values()))[0]
        self.keys += 1
        key = None if operation in {"validate", "withdraw", "expire"} else f"key-{self.keys:05}"
        same = [attempt.key for attempt in mine if attempt.operation == operation]
        if same and self.draw.random() < 0.03:
            key = self.draw.choice(same)
        return Attempt(client, operation, key, self._request(client, operation), 0)

    def _request(self, client: str, operation: str) -> dict[str, Any]:
        code = self.draw.choice(self.codes[-6:])
        lines = [{"product_id": 1, "quantity": 1, "gross_cents": self.draw.choice((200, 400, 400))}]
        match operation:
            case "issue":
                return {
                    "household_id": self.draw.randint(1, HOUSEHOLDS),
                    "coupon_id": self.draw.choice((1, 2, 3, 3, 4, 5)),
                }
            case "hold":
                # Whole seconds would outlive the play.
                return {"code": code, "seconds": 0.02}
            case "validate" | "void":
                return {"code": code}
            case "withdraw" | "expire":
                return {"household_id": self.draw.randint(1, HOUSEHOLDS)}
            case "reverse":
                number = self.keys + 1 if self.draw.random() < 0.1 else self.draw.randint(1, self.keys)
                keys = [one.key for one in self.history if (one.client, one.operation) == (client, "redeem")]
                return {"redeem_key": self.draw.choice(keys) if keys else f"key-{number:05}"}
        discount = self.draw.choice((50, 50, 50, 100, 150))
        return {"code": code, "basket_id": f"basket-{self.keys}", "discount_cents": discount, "lines": lines}


def play(
    toy: Callable[[Definitions], Toy], draw: random.Random, steps: int = 400, shown: int = 0
) -> tuple[list[Attempt], Verdict]:
    """A history of a toy, and what the checker says of it."""
    made = toy(DEFINITIONS)
    history = Play(made, draw).run(steps)
    return history, judge(history, TOLD, made.books(), shown)
