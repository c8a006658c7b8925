"""Small questions to the books: the newest fact, what was paid, whose consent there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.statement import Row, Statement, Transaction

NEWEST: Final = Statement(
    "select (select at from outbox order by event_id desc limit 1), (select max(known_at) from batch)"
)
PAID: Final = Statement(
    "select g.campaign_id, g.paid_cents, coalesce(p.cents, 0) from campaign g left join ("
    "select i.campaign_id, sum(r.discount_cents) as cents from redemption r join issue i on i.issue_id = r.issue_id "
    "where r.reversed_at is null group by i.campaign_id) p on p.campaign_id = g.campaign_id order by g.campaign_id"
)
SET_PAID: Final = Statement("update campaign set paid_cents = :paid where campaign_id = :campaign_id")
CONSENTS: Final = Statement(
    "select c.marketing from pseudonym p join consent c on c.pid = p.pid where p.household_hmac = :household"
)
ANY_CONSENT: Final = Statement("select 1 from consent limit 1")
KEY_ID: Final = Statement("select key_id from issue where issue_id = :issue_id")
SETTING: Final = Statement("select value from setting where name = :name")


def latest(tx: Transaction) -> int | None:
    """The instant of the newest event or batch."""
    return max((at for at in tx.one(NEWEST) or () if at is not None), default=None)


def paid(tx: Transaction) -> list[Row]:
    """(campaign, what is noted, what its live redemptions come to) of every campaign."""
    return tx.all(PAID)


def roll_up(tx: Transaction, rows: Sequence[Row]) -> None:
    """Note what was paid, where it differs."""
    for campaign_id, noted, found in rows:
        if noted != found:
            tx.run(SET_PAID, campaign_id=campaign_id, paid=int(found))


def consents(tx: Transaction, household: bytes) -> bool:
    """Whether the household behind a digest consents to coupons."""
    found = tx.one(CONSENTS, household=household)
    return found is not None and bool(found[0])


def knows_consents(tx: Transaction) -> bool:
    """Whether there is any consent at all, given or withdrawn."""
    return tx.one(ANY_CONSENT) is not None


def key_ids(tx: Transaction, issue_ids: Sequence[int]) -> list[int]:
    """Which key made the code of each issue; raises RefusalError for an id that is none."""
    found = [tx.one(KEY_ID, issue_id=issue_id) for issue_id in issue_ids]
    if None in found:
        raise RefusalError(Reason.UNKNOWN_ISSUE, "there is no issue with this id", "issue_id")
    return [row[0] for row in found if row is not None]


def setting(tx: Transaction, name: str) -> str | None:
    """The value of a setting."""
    found = tx.one(SETTING, name=name)
    return None if found is None else found[0]
