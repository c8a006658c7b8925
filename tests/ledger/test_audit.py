"""The audit closes over every operation, and finds whatever is wrong, alone and to the cent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from tests.ledger.conftest import BOTH
from tests.ledger.worlds import (
    BRIEF,
    CAKE,
    DAIRY_WEEK,
    DAY,
    DEFINITIONS,
    FUNDED,
    HOUR,
    MINUTE,
    OFFICE,
    PLAIN,
    SCARCE,
    SPRING,
    SUPPLIER,
    TILL,
    World,
    fresh_key,
)

from coupon_pipeline.ledger.audit import Check, audit
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.records import Imported
from coupon_pipeline.ledger.statement import Dialect, Row, Statement, T

IMPORTED, FIRST = 77, 1_000
"""An issue from before the ledger, and the id below which the ledger gives none."""


class Inspected:
    """A database whose triggers, constraints and keys are out of force, for as long as one transaction lasts."""

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
        if self.dialect == "sqlite":
            self.connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            self.connection.execute("pragma ignore_check_constraints = on")
            self.connection.execute("begin immediate")
            triggers = self.connection.execute("select name from sqlite_master where type = 'trigger'").fetchall()
            for (name,) in triggers:
                self.connection.execute(f"drop trigger {name}")
        else:
            self.connection = psycopg.connect(url)
            self.connection.execute("set session_replication_role = replica")
            self.connection.execute("alter table escrow drop constraint ck_escrow_limit")

    def close(self) -> None:
        """Undo all that was broken."""
        self.connection.rollback()
        self.connection.close()

    def one(self, statement: Statement, /, **values: Any) -> Row | None:
        return self._done(statement, values).fetchone()

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        return self._done(statement, values).fetchall()

    def run(self, statement: Statement, /, **values: Any) -> int:
        return self._done(statement, values).rowcount

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            self._done(statement, row)

    def _done(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        return self.connection.execute(getattr(statement, self.dialect), values)

    def read(self, work: Callable[[Any], T], snapshot: bool = False) -> T:
        assert snapshot, "an audit that sees several moments finds differences that there never were"
        return work(self)

    def write(self, work: Callable[[Any], T], patient: bool = False) -> T:
        return work(self)


@dataclass(frozen=True)
class Lived:
    """A ledger to which everything has happened: its URL, and the issues that tests break."""

    url: str
    world: World
    issues: Mapping[str, int]

    def broken(self, texts: Sequence[str]) -> list[Check]:
        """What the audit finds once statements have been executed; `{name}` in them is the id of an issue."""
        database = Inspected(self.url)
        try:
            for text in texts:
                database.run(Statement(text.format(**self.issues)))
            return audit(database)
        finally:
            database.close()


@pytest.fixture(scope="module", params=BOTH)
def kept_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database for all tests here: each undoes what it has broken."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('audit') / 'ledger.db'}"
        return
    with request.getfixturevalue("postgresql_server").database() as url:
        yield url


@pytest.fixture(scope="module")
def lived(kept_url: str) -> Iterator[Lived]:
    database = open_database(kept_url)
    world = World(database, replace(DEFINITIONS, per_household_day=9))
    issues = live(world)
    yield Lived(kept_url, world, issues)
    database.close()


def live(world: World) -> dict[str, int]:
    """Let everything happen; what came first was claimed and trimmed, what came next claimed, the last neither."""
    ledger, found = world.ledger, {}
    ledger.import_live([Imported(IMPORTED, PLAIN.coupon_id, 4, world.clock.now - DAY, "mail")], FIRST)
    early = world.issue(PLAIN, 1)
    world.redeem(early, discount=60, key="early-redemption")
    world.reverse("early-redemption")
    ledger.done([claimed(world)])
    world.clock.tick(MINUTE)
    assert ledger.trim(world.clock.now) == 3
    given_back = world.issue(BRIEF, 2)
    world.redeem(given_back, discount=70, key="late-redemption")
    found["twice"] = world.issue(PLAIN, 2).issue_id
    claimed(world)
    world.clock.tick(2 * HOUR)
    assert world.reverse("late-redemption").state == "expired"
    world.issue(CAKE, 3)
    ledger.void(OFFICE, fresh_key(), issue_id=world.issue(FUNDED, 3).issue_id)
    ledger.reverse(TILL, fresh_key(), "never-arrived")
    for name, coupon, household in (("open", FUNDED, 1), ("other", SCARCE, 1), ("used", PLAIN, 3)):
        issued = world.issue(coupon, household)
        found[name] = issued.issue_id
        if name == "used":
            world.redeem(issued, discount=80)
    assert sorted({topic for (topic,) in world.rows("select topic from outbox where batch is null")}) == [
        "expired",
        "issued",
        "redeemed",
        "reversed",
        "void",
    ]
    return found


def claimed(world: World) -> int:
    batch = world.ledger.claim()
    assert batch is not None
    return batch.number


def failed(checks: Sequence[Check]) -> list[tuple[str, int, int]]:
    return [(check.name, check.value, check.cents) for check in checks if not check.passed]


def test_the_books_close_over_every_operation_and_after_the_outbox_was_trimmed(lived: Lived) -> None:
    checks = audit(lived.world.database)
    assert failed(checks) == []
    assert len({check.name for check in checks}) == len(checks)
    assert lived.world.rows("select count(*) from batch where trimmed_at is not null") == [(1,)]


def test_what_has_moved_since_the_last_roll_up_is_told_and_allowed(lived: Lived) -> None:
    [waiting] = [check for check in audit(lived.world.database) if "roll-up" in check.name]
    lived.world.ledger.roll_up()
    [done] = [check for check in audit(lived.world.database) if "roll-up" in check.name]
    assert (waiting.value, waiting.cents, waiting.passed) == (1, 10, True)
    assert (done.value, done.cents) == (0, 0)


CLAIMED = "(select max(number) from batch)"
SECOND_REDEMPTION = """
    insert into redemption (redemption_id, issue_id, client, idem, fingerprint, discount_cents, at)
    select 900, issue_id, 'thief', idem, fingerprint, 30, at from redemption
    where issue_id = {used} and reversed_at is null"""
ITS_EVENT = "insert into outbox (at, topic, issue_id, redemption_id, cents) values (1, 'redeemed', {used}, 900, 30)"
FULLEST = (
    "where scope = '{scope}' and scope_id = {scope_id} and shard = (select shard from escrow "
    "where scope = '{scope}' and scope_id = {scope_id} order by reserved desc limit 1)"
)
BREAKS = {
    "issues redeemed more than once": (1, 30, ["drop index ux_redemption_live", SECOND_REDEMPTION, ITS_EVENT]),
    "redeemed issues without a live redemption": (
        1,
        FUNDED.value_cents,
        ["update issue set state = 'redeemed' where issue_id = {open}"],
    ),
    "live redemptions of issues that are not redeemed": (
        1,
        80,
        ["update issue set state = 'issued' where issue_id = {used}"],
    ),
    "discounts over face value": (
        1,
        5,
        [
            f"update {table} set {column} = {PLAIN.value_cents + 5} where issue_id = {{used}} and {column} = 80"
            for table, column in (("redemption", "discount_cents"), ("outbox", "cents"))
        ],
    ),
    "redemptions outside the coupon's time": (
        1,
        80,
        [f"update redemption set at = {PLAIN.expires_at} where issue_id = {{used}}"],
    ),
    "open issues without consent": (
        3,
        FUNDED.value_cents + SCARCE.value_cents + PLAIN.value_cents,
        ["update consent set marketing = 0 where pid = (select pid from issue where issue_id = {open})"],
    ),
    "households with several open coupons of a category": (
        1,
        SCARCE.value_cents,
        [
            "drop index ux_issue_category",
            "update issue set category = 'tea' where issue_id in ({open}, {other})",
        ],
    ),
    "issues in a place of their household's cap that is taken": (
        1,
        SCARCE.value_cents,
        ["drop index ux_issue_household", "update issue set slot = 0 where issue_id in ({open}, {other})"],
    ),
    "issues in a place of a day's cap that is taken": (
        1,
        SCARCE.value_cents,
        ["drop index ux_issue_day", "update issue set day_slot = 5 where issue_id in ({open}, {other})"],
    ),
    "limits that are passed": (
        1,
        7,
        [f"update escrow set granted = reserved - 7 {FULLEST.format(scope='campaign', scope_id=SPRING)}"],
    ),
    "issued events that differ from the facts": (
        1,
        SCARCE.value_cents,
        ["delete from outbox where topic = 'issued' and issue_id = {other}"],
    ),
    "redeemed events that differ from the facts": (
        1,
        80,
        ["delete from outbox where topic = 'redeemed' and batch is null"],
    ),
    "reversed events that differ from the facts": (
        1,
        70,
        ["delete from outbox where topic = 'reversed' and batch is null"],
    ),
    "expired events that differ from the facts": (
        1,
        BRIEF.value_cents,
        ["delete from outbox where topic = 'expired'"],
    ),
    "void events that differ from the facts": (1, FUNDED.value_cents, ["delete from outbox where topic = 'void'"]),
    "batches of events that were changed": (
        1,
        9,
        [f"update outbox set cents = cents + 9 where batch = {CLAIMED} and issue_id = {{twice}}"],
    ),
    "limits whose reserved face value differs from the issues": (
        2,
        12,
        [
            f"update escrow set reserved = reserved - 8 {FULLEST.format(scope='campaign', scope_id=DAIRY_WEEK)}",
            f"update escrow set reserved = reserved + 4 {FULLEST.format(scope='supplier', scope_id=SUPPLIER)}",
        ],
    ),
    "limits whose counted issues differ from the issues": (
        1,
        0,
        ["update escrow set reserved = 2 where scope = 'coupon_issues'"],
    ),
}
"""Check -> how many are wrong, their cents, and the statements that make them so."""


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_fails_its_own_check_with_its_count_and_money(lived: Lived, name: str) -> None:
    value, cents, texts = BREAKS[name]
    assert failed(lived.broken(texts)) == [(name, value, cents)]


def test_every_check_can_fail(lived: Lived) -> None:
    names = [check.name for check in audit(lived.world.database) if not check.name.startswith("allowed")]
    assert names == list(BREAKS)


ALSO = {
    "an owner who is erased": (
        "open issues without consent",
        "delete from pseudonym where pid = (select pid from issue where issue_id = {open})",
    ),
    "a live redemption of an issue that has expired": (
        "live redemptions of issues that are not redeemed",
        "update redemption set reversed_at = null where discount_cents = 60",
    ),
    "an event that was added": (
        "issued events that differ from the facts",
        "insert into outbox (at, topic, issue_id, cents) values (1, 'issued', {open}, 1)",
    ),
    "an event with another amount": (
        "redeemed events that differ from the facts",
        "update outbox set cents = 81 where batch is null and topic = 'redeemed'",
    ),
    "a claimed event that is gone": (
        "batches of events that were changed",
        f"delete from outbox where batch = {CLAIMED} and topic = 'redeemed'",
    ),
    "a claimed event that names another issue": (
        "batches of events that were changed",
        f"update outbox set issue_id = {{open}} where batch = {CLAIMED} and topic = 'redeemed'",
    ),
    "a digest that was written anew": (
        "batches of events that were changed",
        f"update batch set digest = 'f' where number = {CLAIMED}",
    ),
    "a batch that became known before the one before it": (
        "batches of events that were changed",
        f"update batch set known_at = 1 where number = {CLAIMED}",
    ),
}


@pytest.mark.parametrize("what", ALSO)
def test_a_check_sees_more_than_one_way_to_break_it(lived: Lived, what: str) -> None:
    name, text = ALSO[what]
    assert name in [found for found, *_ in failed(lived.broken([text]))]


def test_a_digest_that_trimmed_rows_left_behind_still_holds_the_next_batch(lived: Lived) -> None:
    broken = lived.broken(["update batch set digest = 'f' where number = 1"])
    assert failed(broken) == [("batches of events that were changed", 1, 0)]


def test_caps_that_were_lowered_are_told_and_allowed(lived: Lived) -> None:
    texts = [f"update campaign set per_household = 1 where campaign_id = {DAIRY_WEEK}"]
    texts.append("update setting set value = '1' where name = 'per_household_day'")
    checks = lived.broken(texts)
    assert failed(checks) == []
    told = {check.name.split(":")[0]: check.value for check in checks if "lowered" in check.name}
    assert list(told.values()) == [2, 3]
