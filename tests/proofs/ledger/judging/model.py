"""Coupons as they would live if all requests came one after the other: what each may answer, and what it leaves behind.

An operation takes a world to the worlds that explain its answer: none where the answer is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tests.proofs.ledger.judging.history import Attempt, Key
from tests.proofs.ledger.judging.told import FOREVER

from coupon_pipeline.ledger.records import CouponTerms

UNKNOWN_UNTIL: Final = -1
"""End of a hold that nobody was told: it may stand, or not."""
NOTHING_DONE: Final = frozenset({"overloaded", "unavailable", "storage_full", "read_only", "too_many_guesses"})
"""Refusals that say nothing of the coupon."""


class Life(NamedTuple):
    """One issue."""

    state: str = "absent"
    redeemed_by: Key | None = None
    held_by: str | None = None
    held_until: int = 0
    is_unwanted: bool = False
    """Whether its household has withdrawn consent, or is erased."""


class Use(NamedTuple):
    """What has become of a key."""

    request: str
    state: str
    """`done`; of a redemption `live`, `reversed`, or `tombstone` where it was reversed before it came."""
    issue: int | None


class World(NamedTuple):
    """Some issues and keys at one moment."""

    lives: frozenset[tuple[int, Life]]
    uses: frozenset[tuple[Key, Use]]

    def life(self, issue: int | None) -> Life:
        """An issue; one that is not there is absent."""
        return next((life for number, life in self.lives if number == issue), Life())

    def use(self, key: Key | None) -> Use | None:
        """What a key was used for."""
        return next((use for known, use in self.uses if known == key), None)

    def after(self, key: Key | None, use: Use, issue: int | None = None, life: Life | None = None) -> World:
        """The world with this use of a key, and this life of an issue."""
        lives = self.lives
        if issue is not None and life is not None:
            lives = frozenset((number, old) for number, old in lives if number != issue) | {(issue, life)}
        if key is None:
            return World(lives, self.uses)
        return World(lives, frozenset((known, old) for known, old in self.uses if known != key) | {(key, use)})


EMPTY: Final = World(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt, with all that can be known of it before any order is tried."""

    attempt: Attempt
    request: str
    """Canonical text of its parameters: equal for retries."""
    issue: int | None = None
    """Which it is about; None for a code that does not exist."""
    terms: CouponTerms | None = None
    failure: str | None = None
    """Why it cannot succeed, whenever it comes."""
    earliest: int = 0
    latest: int = FOREVER
    """Between which business instants the service has read its clock."""
    returned: int = FOREVER
    is_optional: bool = False
    """It need not have happened."""
    until: int = UNKNOWN_UNTIL
    """When the hold ends that it asks for, as some answer with its key says."""
    at: int | None = None
    """Business instant of the redemption, as an answer or a row says."""
    may_share: bool = False
    """Whether its household has had another coupon of the category."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """Its answer; empty where it had none."""
        return self.attempt.answer or {}

    @property
    def target(self) -> Key:
        """The redemption that a reversal means."""
        return ("redeem", self.attempt.client, self.attempt.request["redeem_key"])


def after(world: World, step: Step) -> list[World]:
    """The worlds that may follow; none where the answer cannot be explained."""
    if step.attempt.refusal in NOTHING_DONE:
        return [world]
    use = world.use(step.attempt.own_key)
    if use is not None:
        return _again(world, step, use)
    if step.attempt.answer is not None and step.answer.get("replay") and step.attempt.operation in _STRICT:
        return []
    return _FIRST[step.attempt.operation](world, step)


def _again(world: World, step: Step, use: Use) -> list[World]:
    """A key that is known: the same request gets the same answer (which is compared elsewhere), another one none."""
    if step.is_optional:
        return []
    legal = {"reversed"} if use.state in {"reversed", "tombstone"} else set()
    if use.request != step.request and use.state != "tombstone":
        legal.add("key_reused")
    if step.attempt.refusal is not None:
        return [world] if step.attempt.refusal in legal else []
    return [world] if not legal and step.answer.get("replay") else []


def _issue(world: World, step: Step) -> list[World]:
    if step.attempt.refusal is not None:
        return [world] if step.attempt.refusal not in {"key_reused", "reversed"} else []
    life = world.life(step.issue)
    if life.state != "absent" or life.is_unwanted or step.issue is None:
        return []
    use = Use(step.request, "done", step.issue)
    return [world.after(step.attempt.own_key, use, step.issue, life._replace(state="issued"))]


def _validate(world: World, step: Step) -> list[World]:
    return [world] if (step.attempt.refusal or "") in _possible(world.life(step.issue), step) else []


def _hold(world: World, step: Step) -> list[World]:
    life = world.life(step.issue)
    possible = _possible(life, step)
    if step.attempt.refusal is not None:
        return [world] if step.attempt.refusal in possible else []
    if "" not in possible or not _ends_in_time(step):
        return []
    held = life._replace(held_by=step.attempt.client, held_until=step.until)
    return [world.after(step.attempt.own_key, Use(step.request, "done", step.issue), step.issue, held)]


def _ends_in_time(step: Step) -> bool:
    if step.until == UNKNOWN_UNTIL or step.terms is None:
        return True
    asked = step.attempt.request["seconds"] * 1_000
    longest = min(step.latest + asked, step.terms.expires_at)
    return min(step.earliest + asked, step.terms.expires_at) <= step.until <= longest


def _redeem(world: World, step: Step) -> list[World]:
    life = world.life(step.issue)
    if step.attempt.refusal is not None:
        return [world] if step.attempt.refusal in _possible(life, step) else []
    if life.state != "issued" or step.failure is not None or not _is_good_at(life, step):
        return []
    if step.answer.get("issue_id", step.issue) != step.issue:
        return []
    use = Use(step.request, "live", step.issue)
    spent = life._replace(state="redeemed", redeemed_by=step.attempt.own_key)
    return [world.after(step.attempt.own_key, use, step.issue, spent)]


def _is_good_at(life: Life, step: Step) -> bool:
    """Whether the instant of the redemption lies in the coupon's window and in nobody else's hold."""
    if step.at is None or step.terms is None:
        return True
    if life.held_by not in {None, step.attempt.client} and life.held_until > step.at:
        return False
    return step.earliest <= step.at <= step.latest and step.terms.valid_from <= step.at < step.terms.expires_at


def _possible(life: Life, step: Step) -> set[str]:
    """What may be said of a coupon by the first thing that speaks against it; empty text: it can be used."""
    if step.terms is None or life.state == "absent":
        return {"unknown_code"}
    if life.state != "issued":
        return {"already_redeemed" if life.state == "redeemed" else life.state}
    is_held = life.held_by not in {None, step.attempt.client}
    found = {"held"} if is_held and life.held_until == UNKNOWN_UNTIL else set()
    for reason, since, until in (
        ("expired", step.terms.expires_at, FOREVER + 1),
        ("not_yet_valid", -FOREVER, step.terms.valid_from),
        ("held", -FOREVER, life.held_until if is_held else -FOREVER),
    ):
        if since <= step.latest and step.earliest < until:
            found.add(reason)
        if since <= step.earliest and step.latest < until:
            return found
    return found | {step.failure or ""}


def _reverse(world: World, step: Step) -> list[World]:
    if step.attempt.refusal is not None:
        return []
    own, use = step.attempt.own_key, world.use(step.target)
    done = world.after(own, Use(step.request, "done", None))
    if use is None:
        tombstone = done.after(step.target, Use("", "tombstone", None))
        is_told = step.is_optional or (step.answer["issue_id"] is None and not step.answer["replay"])
        return [tombstone] if is_told else []
    if use.state != "live":
        return [done] if step.is_optional or step.answer["issue_id"] == use.issue else []
    life = world.life(use.issue)
    told = {step.answer["state"]} if step.answer else {"issued", "expired", "void"}
    if step.answer and (step.answer["issue_id"] != use.issue or step.answer["replay"]):
        return []
    ended = [life._replace(state=state, redeemed_by=None) for state in sorted(told & _given_back(life, step))]
    return [done.after(step.target, use._replace(state="reversed"), use.issue, life) for life in ended]


def _given_back(life: Life, step: Step) -> set[str]:
    """As what an issue may come back."""
    said = step.answer.get("reversed_at")
    earliest, latest = (step.earliest, step.latest) if said is None else (said, said)
    if step.terms is None or not step.earliest <= latest or not earliest <= step.latest:
        return set()
    states = {"expired"} if latest >= step.terms.expires_at else set()
    if earliest < step.terms.expires_at:
        states |= {"void"} if life.is_unwanted or step.may_share else set()
        states |= set() if life.is_unwanted else {"issued"}
    return states


def _void(world: World, step: Step) -> list[World]:
    life = world.life(step.issue)
    if step.attempt.refusal is not None:
        legal = {"absent": {"unknown_code", "unknown_issue"}, "redeemed": {"already_redeemed"}, "expired": {"expired"}}
        return [world] if step.attempt.refusal in legal.get(life.state, set()) else []
    use = Use(step.request, "done", step.issue)
    if life.state == "void":
        return [world.after(step.attempt.own_key, use)]
    if life.state != "issued" or step.answer.get("replay"):
        return []
    return [world.after(step.attempt.own_key, use, step.issue, life._replace(state="void"))]


def _withdraw(world: World, step: Step) -> list[World]:
    life = world.life(step.issue)
    state = "void" if life.state == "issued" else life.state
    return [world.after(None, Use("", "done", None), step.issue, life._replace(state=state, is_unwanted=True))]


def _expire(world: World, step: Step) -> list[World]:
    life = world.life(step.issue)
    if life.state != "issued":
        return []
    return [world.after(None, Use("", "done", None), step.issue, life._replace(state="expired"))]


_STRICT: Final = frozenset({"issue", "hold", "redeem"})
"""Operations whose replays are of their own key alone: a reversal or a void may also find its work done by another."""
_FIRST: Final[Mapping[str, Callable[[World, Step], list[World]]]] = {
    "issue": _issue,
    "validate": _validate,
    "hold": _hold,
    "redeem": _redeem,
    "reverse": _reverse,
    "void": _void,
    "withdraw": _withdraw,
    "erase": _withdraw,
    "expire": _expire,
}
