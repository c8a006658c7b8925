"""Any requests in any order, to a ledger and its model alike."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.ledger.books import EVER, Entry
from tests.ledger.drawing import (
    BASKETS,
    CLIENTS,
    DISCOUNTS,
    KEY_KINDS,
    LINES,
    PAIRS,
    PICK,
    SECONDS,
    TIGHT,
    TIGHTS,
    UNKNOWN_COUPON,
    awkward,
    edges_of,
    one_of,
)
from tests.ledger.paired import Code, Id, Paired, exported_by_model
from tests.ledger.seen import exported
from tests.ledger.worlds import (
    APP,
    DAY,
    DEFINITIONS,
    FITTING,
    HOUR,
    HOUSEHOLDS,
    MINUTE,
    OFFICE,
    OTHER_TILL,
    PLAIN,
    SILENT,
    SOON,
    SPRING,
    TILL,
)

from coupon_pipeline.ledger.records import Assignment, Basket, Definitions


class LedgerMachine(Paired):
    """All rules; subclasses say where databases come from."""

    @initialize(tight=TIGHTS, pairs=st.lists(PAIRS, min_size=2, max_size=9))
    def begin(self, tight: str, pairs: list[tuple[int, int]]) -> None:
        self._bind(tight)
        for household, coupon_id in pairs:
            self.ask("issue", APP, self._key("fresh"), household, coupon_id)

    @rule(
        what=st.sampled_from(["limits", "limits", "consent", "consent", "dates"]),
        tight=TIGHTS,
        household=st.sampled_from([*HOUSEHOLDS, SILENT]),
        may=st.booleans(),
    )
    def sync(self, what: str, tight: str, household: int, may: bool) -> None:
        if what == "limits":
            self._bind(tight)
        elif what == "consent":
            self._sync(replace(self.told, consents={household: may}))
        else:
            self._renew()

    @rule(pair=PAIRS, kind=KEY_KINDS, odd=st.sampled_from([None] * 9 + ["coupon", "household"]))
    def issue(self, pair: tuple[int, int], kind: str, odd: str | None) -> None:
        household = SILENT if odd == "household" else pair[0]
        coupon_id = UNKNOWN_COUPON if odd == "coupon" else pair[1]
        self.ask("issue", APP, self._key(kind, "issue"), household, coupon_id)

    issue_2 = issue_3 = issue_4 = issue

    @rule(pairs=st.lists(PAIRS, min_size=1, max_size=6), pick=PICK)
    def issue_all(self, pairs: list[tuple[int, int]], pick: int) -> None:
        rows = [Assignment(self._key("fresh"), household, coupon_id, "app") for household, coupon_id in pairs]
        before = [args[1] for operation, args in self.asked if operation == "issue_all"]
        if before and pick % 2:
            rows += before[pick % len(before)]
        self.ask("issue_all", APP, tuple(rows))

    @precondition(lambda self: self.model.entries)
    @rule(
        pick=PICK,
        client=CLIENTS,
        kind=KEY_KINDS,
        within=BASKETS,
        seconds=SECONDS,
    )
    def hold(self, pick: int, client: str, kind: str, within: str, seconds: int) -> None:
        entry = self._entry(pick)
        basket = self._basket(within, entry, told=pick % 3 > 0)
        self.ask("hold", client, self._key(kind, "hold"), Code(entry.number), basket, seconds)

    hold_2 = hold

    @precondition(lambda self: self.model.entries)
    @rule(pick=PICK, client=CLIENTS, within=BASKETS)
    def validate(self, pick: int, client: str, within: str) -> None:
        entry = self._entry(pick)
        self.ask("validate", client, Code(entry.number), self._basket(within, entry, told=pick % 3 > 0))

    @precondition(lambda self: self.model.entries)
    @rule(pick=PICK, client=CLIENTS, kind=KEY_KINDS, within=BASKETS, discount=DISCOUNTS)
    def redeem(self, pick: int, client: str, kind: str, within: str, discount: int) -> None:
        entry = self._entry(pick)
        key = self._key(kind)
        if kind == "used" and self.model.sales:
            client, key = one_of(list(self.model.sales), pick)
        self.ask("redeem", client, key, Code(entry.number), self._basket(within, entry), discount)

    redeem_2 = redeem_3 = redeem_4 = redeem_5 = redeem

    @precondition(lambda self: self.model.sales)
    @rule(pick=PICK, kind=KEY_KINDS, left=st.sampled_from([False] * 5 + [True]))
    def reverse(self, pick: int, kind: str, left: bool) -> None:
        """Undo a redemption, mostly one that stands; now and then its household has left before."""
        live = [key for key, sale in self.model.sales.items() if sale.reversed_at is None]
        client, redeem_key = one_of(live if live and pick % 4 else list(self.model.sales), pick)
        entry = self.model.sales[client, redeem_key].entry
        if left and entry is not None and entry.household is not None:
            self._sync(replace(self.told, consents={entry.household: False}))
        self.ask("reverse", client, self._key(kind, "reverse"), redeem_key)

    @precondition(lambda self: self.model.entries)
    @rule(pick=PICK, client=CLIENTS, again=st.booleans())
    def reverse_before_it_arrives(self, pick: int, client: str, again: bool) -> None:
        key, entry = self._key("fresh"), self._entry(pick)
        self.ask("reverse", client, self._key("fresh"), key)
        if again:
            self.ask("redeem", client, key, Code(entry.number), self._basket("fits", entry), 30)

    @precondition(lambda self: self.model.entries)
    @rule(pick=PICK, kind=KEY_KINDS, again=st.booleans())
    def void(self, pick: int, kind: str, again: bool) -> None:
        """Cancel an issue; half the time its household asks for the coupon again, which no cap forgets."""
        entry = self._entry(pick)
        code, issue_id = (None, Id(entry.number)) if pick % 2 else (Code(entry.number), None)
        self.ask("void", OFFICE, self._key(kind, "void"), code, issue_id)
        if again and entry.household is not None:
            self.ask("issue", APP, self._key("fresh"), entry.household, entry.coupon.coupon_id)

    @rule(operation=st.sampled_from(["validate", "hold", "redeem", "void", "void_id"]))
    def guess(self, operation: str) -> None:
        basket, key = self._basket("fits", None), self._key("fresh")
        asked: dict[str, tuple[Any, ...]] = {
            "validate": (TILL, Code(0), basket),
            "hold": (TILL, key, Code(0), basket, 60),
            "redeem": (TILL, key, Code(0), basket, 30),
            "void": (OFFICE, key, Code(0), None),
            "void_id": (OFFICE, key, None, Id(0)),
        }
        self.ask(operation.removesuffix("_id"), *asked[operation])

    @rule()
    def expire(self) -> None:
        self.ask("expire")

    @precondition(lambda self: len(self.model.entries) > 4)
    @rule(household=st.sampled_from(HOUSEHOLDS), comes_back=st.booleans())
    def erase(self, household: int, comes_back: bool) -> None:
        self.ask("erase", household)
        if comes_back:
            self._sync(replace(self.told, consents={household: True}))

    @rule(trim=st.booleans())
    def claim(self, trim: bool) -> None:
        expected, batch = self.model.claim(), self.ledger.claim()
        assert (batch and (batch.known_at, batch.events)) == expected
        self.reached["claim: done" if batch else "claim: nothing"] += 1
        left = self.model.batches[self.trimmed :]
        opens_at = left[0][0] if left else EVER
        assert exported(self.ledger, self.named, opens_at) == exported_by_model(left)
        if trim and batch:
            self.ledger.done(range(1, batch.number + 1))
            self.trimmed = batch.number - 1
            assert self.ledger.trim(batch.known_at) == sum(len(events) for _, events in left[:-1])
            self.reached["trim: done"] += 1

    claim_2 = claim

    @precondition(lambda self: any(sale.entry and sale.discount for sale in self.model.sales.values()))
    @rule(household=st.sampled_from(HOUSEHOLDS), is_bulk=st.booleans())
    def reach_the_budget(self, household: int, is_bulk: bool) -> None:
        """Count what was paid, make that the budget, and ask for more."""
        self.ask("roll_up", keep=False)
        self._bind("budget")
        if is_bulk:
            self.ask("issue_all", APP, (Assignment(self._key("fresh"), household, PLAIN.coupon_id, "app"),))
        else:
            self.ask("issue", APP, self._key("fresh"), household, PLAIN.coupon_id)

    @rule(by=st.sampled_from([MINUTE, MINUTE, 20 * MINUTE, HOUR, 14 * HOUR, -MINUTE, -HOUR]))
    def tick(self, by: int) -> None:
        self.set_clock(self.clock.now + by)

    @rule(
        household=st.sampled_from(HOUSEHOLDS),
        edge=st.sampled_from(["begins", "ends", "held"]),
        off=st.sampled_from([-1, 0, 0, 1]),
        operation=st.sampled_from(["validate", "hold", "redeem", "expire"]),
    )
    def at_the_edge(self, household: int, edge: str, off: int, operation: str) -> None:
        """Go to just before, at or just after the next moment at which an issue's lot changes, and ask for it."""
        if edge == "begins":
            self._renew()
            self.ask("issue", APP, self._key("fresh"), household, SOON.coupon_id)
        edges = [(edges_of(one)[edge], one.number) for one in self.model.open()]
        later = sorted(one for one in edges if one[0] > self.model.now + 1)
        if not later:
            return
        at, number = later[0]
        self.set_clock(at + off)
        asked = [Code(number), self._basket("fits", self.model.entries[number - 1])]
        self.ask(
            operation,
            *{
                "validate": [TILL, *asked],
                "hold": [OTHER_TILL, self._key("fresh"), *asked, 60],
                "redeem": [TILL, self._key("fresh"), *asked, 30],
                "expire": [],
            }[operation],
        )

    @rule(pick=PICK, changed=st.sampled_from([None, None, None, -1, -2]))
    def retry(self, pick: int, changed: int | None) -> None:
        name = one_of(sorted({operation for operation, _ in self.asked if operation not in ("expire", "erase")}), pick)
        operation, args = one_of([one for one in self.asked if one[0] == name], pick // 16)
        if changed is not None and operation in ("issue", "hold", "redeem", "reverse", "void"):
            shape = [type(arg) for arg in args]
            donors = [other for name, other in self.asked if name == operation and other[1] != args[1]]
            donors = [other for other in donors if [type(arg) for arg in other] == shape]
            donor = one_of(donors, pick) if donors else args
            args = tuple(donor[at] if at == changed % len(args) else arg for at, arg in enumerate(args))
        self.ask(operation, *args)

    def _bind(self, tight: str) -> None:
        # Once anything is paid, the budget is what is paid: reached.
        changes = {"budget_cents": self.model.paid[SPRING] or 30} if tight == "budget" else TIGHT[tight]
        names = {one.name for one in fields(Definitions)}
        first = replace(DEFINITIONS.campaigns[0], **{k: v for k, v in changes.items() if k not in names})
        others = tuple(one for one in DEFINITIONS.campaigns if one.campaign_id != SPRING)
        told = replace(DEFINITIONS, campaigns=(first, *others), coupons=self.told.coupons)
        consents = {} if self.model.consents else DEFINITIONS.consents
        self._sync(replace(told, consents=consents, **{k: v for k, v in changes.items() if k in names}))

    def _renew(self) -> None:
        """All coupons are good for three more days, the late one not yet."""
        until, others = self.model.now + 3 * DAY, [one for one in self.told.coupons if one.coupon_id != SOON.coupon_id]
        late = replace(SOON, valid_from=self.model.now + 2 * HOUR, expires_at=until)
        self._sync(replace(self.told, coupons=(*(replace(one, expires_at=until) for one in others), late)))

    def _sync(self, told: Definitions) -> None:
        self.told = replace(told, consents={})
        self.ask("sync", told, keep=False)

    def _key(self, kind: str, operation: str = "") -> str:
        used = [args[1] for name, args in self.asked if name == operation]
        if kind == "short":
            return "short"
        if kind == "used" and used:
            return used[-1]
        self.keys += 1
        return f"key-{self.keys:06}"

    def _entry(self, pick: int) -> Entry:
        """An issue, mostly one that is open."""
        return one_of(self.model.open() if self.model.open() and pick % 5 else self.model.entries, pick)

    def _basket(self, kind: str, entry: Entry | None, told: bool = True) -> Basket:
        if kind == "awkward":
            kind = awkward(entry) if entry is not None else "fits"
        is_bound = entry is not None and entry.coupon.is_bound and kind != "no card"
        household = entry.household if entry is not None and is_bound else None
        if kind == "wrong card":
            household = 1 + (entry.number if entry is not None else 0) % 4
        before = [sale.basket.basket_id for sale in self.model.sales.values() if sale.basket is not None]
        self.keys += 1
        number = before[-1] if kind == "again" and before else f"basket-{self.keys}"
        till = "" if kind == "odd" else "till-1"
        return Basket(TILL, number, till, LINES.get(kind, FITTING) if told else None, household)
