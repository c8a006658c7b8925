"""The tables of the ledger. Money in cents, instants in epoch milliseconds, digests and pseudonyms in 16 bytes or more.

Every rule that must hold while many write at once is a constraint here or a trigger (see `triggers`).
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
AUTO: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""An auto-numbered key: SQLite numbers INTEGER alone."""
STATES: Final = ("issued", "redeemed", "expired", "void")
TOPICS: Final = ("issued", "redeemed", "reversed", "expired", "void")
MONEY_SCOPES: Final = ("campaign", "supplier", "total")
"""Scopes of liability, in the order in which their rows are locked."""
COUNT_SCOPES: Final = ("campaign_issues", "coupon_issues")
UNLIMITED: Final = 2**52
"""What is granted where there is no limit."""


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(value) for value in values)})"


SETTING: Final = sa.Table(
    "setting",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""What holds for the whole ledger: time zone, cap per day, since which week it is the origin of issues."""

CAMPAIGN: Final = sa.Table(
    "campaign",
    METADATA,
    sa.Column("campaign_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, sa.CheckConstraint(_one_of("state", ("open", "closed")), "state"), nullable=False),
    sa.Column(
        "per_household", sa.Integer, sa.CheckConstraint("per_household between 1 and 100", "cap"), nullable=False
    ),
    sa.Column("budget_cents", sa.BigInteger, sa.CheckConstraint("budget_cents >= 0", "budget")),
    sa.Column("paid_cents", sa.BigInteger, nullable=False, server_default="0"),
    # Rolled up from the redemptions: it closes new issues and refuses no till.
)

COUPON: Final = sa.Table(
    "coupon",
    METADATA,
    sa.Column("coupon_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("campaign_id", sa.BigInteger, sa.ForeignKey("campaign.campaign_id"), nullable=False),
    sa.Column("category", sa.Text),
    sa.Column("value_cents", sa.BigInteger, sa.CheckConstraint("value_cents > 0", "value"), nullable=False),
    sa.Column("min_quantity", sa.Integer, sa.CheckConstraint("min_quantity >= 0", "quantity"), nullable=False),
    sa.Column("min_spend_cents", sa.BigInteger, sa.CheckConstraint("min_spend_cents >= 0", "spend"), nullable=False),
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("supplier_id", sa.BigInteger),
    sa.Column(
        "supplier_share_bp",
        sa.Integer,
        sa.CheckConstraint("supplier_share_bp between 0 and 10000", "share"),
        nullable=False,
    ),
    sa.Column("stacking_group", sa.Text),
    sa.Column("is_bound", sa.Integer, sa.CheckConstraint("is_bound in (0, 1)", "bound"), nullable=False),
    sa.CheckConstraint("valid_from < expires_at", "window"),
)

COUPON_PRODUCT: Final = sa.Table(
    "coupon_product",
    METADATA,
    sa.Column("coupon_id", sa.BigInteger, sa.ForeignKey("coupon.coupon_id"), primary_key=True, autoincrement=False),
    sa.Column("product_id", sa.BigInteger, primary_key=True, autoincrement=False),
)

ESCROW: Final = sa.Table(
    "escrow",
    METADATA,
    sa.Column("scope", sa.Text, sa.CheckConstraint(_one_of("scope", MONEY_SCOPES + COUNT_SCOPES), "scope")),
    sa.Column("scope_id", sa.BigInteger, autoincrement=False),
    sa.Column("shard", sa.Integer, autoincrement=False),
    sa.Column("granted", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("scope", "scope_id", "shard"),
    sa.CheckConstraint("reserved >= 0 and reserved <= granted", "limit"),
)
"""Limits, split in shards that add up: cents of face value for `MONEY_SCOPES`, issues for `COUNT_SCOPES`.

The scope `total` has the id 0. A money scope always has rows, a count scope only where there is a cap.
"""

PSEUDONYM: Final = sa.Table(
    "pseudonym",
    METADATA,
    sa.Column("household_hmac", sa.LargeBinary, primary_key=True),
    sa.Column("pid", sa.LargeBinary, nullable=False, unique=True),
)
"""Keyed digest of a household -> random pseudonym; without its row nobody can tell whose issues those are."""

CONSENT: Final = sa.Table(
    "consent",
    METADATA,
    sa.Column("pid", sa.LargeBinary, primary_key=True),
    sa.Column("marketing", sa.Integer, sa.CheckConstraint("marketing in (0, 1)", "marketing"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

CONSENT_CHANGE: Final = sa.Table(
    "consent_change",
    METADATA,
    sa.Column("change_id", AUTO, primary_key=True),
    sa.Column("pid", sa.LargeBinary, nullable=False),
    sa.Column("marketing", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

SUPPRESSION: Final = sa.Table(
    "suppression",
    METADATA,
    sa.Column("household_hmac", sa.LargeBinary, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Households that were erased, under another key than pseudonyms: they never get consent again."""

ISSUE: Final = sa.Table(
    "issue",
    METADATA,
    sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("code_hash", sa.LargeBinary, nullable=False),
    sa.Column("key_id", sa.Integer, nullable=False),
    sa.Column("coupon_id", sa.BigInteger, sa.ForeignKey("coupon.coupon_id"), nullable=False),
    sa.Column("campaign_id", sa.BigInteger, nullable=False),
    sa.Column("category", sa.Text),
    sa.Column("pid", sa.LargeBinary, nullable=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("day_slot", sa.Integer),
    sa.Column("value_cents", sa.BigInteger, sa.CheckConstraint("value_cents > 0", "value"), nullable=False),
    sa.Column("supplier_id", sa.BigInteger),
    sa.Column("supplier_cents", sa.BigInteger, nullable=False),
    sa.Column("campaign_shard", sa.Integer, nullable=False),
    sa.Column("supplier_shard", sa.Integer, nullable=False),
    sa.Column("total_shard", sa.Integer, nullable=False),
    sa.Column("issued_at", sa.BigInteger, nullable=False),
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("idem", sa.LargeBinary, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("decision_id", sa.Text),
    sa.Column("arm", sa.Text),
    sa.Column("policy", sa.Text),
    sa.Column("propensity", sa.Double),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("is_imported", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, sa.CheckConstraint(_one_of("state", STATES), "state"), nullable=False),
    sa.Column("held_by", sa.Text),
    sa.Column("held_idem", sa.LargeBinary),
    sa.Column("held_until", sa.BigInteger),
    sa.Index("ux_issue_code", "code_hash", unique=True),
    sa.Index("ux_issue_key", "client", "idem", unique=True),
    sa.Index("ux_issue_household", "pid", "campaign_id", "slot", unique=True),
    sa.Index(
        "ux_issue_day",
        "pid",
        "day",
        "day_slot",
        unique=True,
        sqlite_where=sa.text("day_slot is not null"),
        postgresql_where=sa.text("day_slot is not null"),
    ),
    sa.Index(
        "ux_issue_category",
        "pid",
        "category",
        unique=True,
        sqlite_where=sa.text("state = 'issued' and category is not null"),
        postgresql_where=sa.text("state = 'issued' and category is not null"),
    ),
    sa.Index(
        "ix_issue_expiry",
        "expires_at",
        sqlite_where=sa.text("state = 'issued'"),
        postgresql_where=sa.text("state = 'issued'"),
    ),
)
"""One coupon given to one household. Only `state` and the hold ever change, and what erasure blanks."""

REDEMPTION: Final = sa.Table(
    "redemption",
    METADATA,
    sa.Column("redemption_id", AUTO, primary_key=True),
    sa.Column("issue_id", sa.BigInteger, sa.ForeignKey("issue.issue_id")),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("idem", sa.LargeBinary, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("discount_cents", sa.BigInteger, sa.CheckConstraint("discount_cents >= 0", "discount"), nullable=False),
    sa.Column("store_id", sa.Text),
    sa.Column("till_id", sa.Text),
    sa.Column("basket_id", sa.Text),
    sa.Column("stacking_group", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("reversed_at", sa.BigInteger),
    sa.Index("ux_redemption_key", "client", "idem", unique=True),
    sa.Index(
        "ux_redemption_live",
        "issue_id",
        unique=True,
        sqlite_where=sa.text("reversed_at is null"),
        postgresql_where=sa.text("reversed_at is null"),
    ),
    sa.Index(
        "ux_redemption_stack",
        "store_id",
        "basket_id",
        "stacking_group",
        unique=True,
        sqlite_where=sa.text("reversed_at is null and stacking_group is not null"),
        postgresql_where=sa.text("reversed_at is null and stacking_group is not null"),
    ),
    sqlite_autoincrement=True,
)
"""An issue used at a till; without an issue, a tombstone: its key was reversed before it arrived."""

REQUEST: Final = sa.Table(
    "request",
    METADATA,
    sa.Column("client", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    sa.Column("idem", sa.LargeBinary, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("issue_id", sa.BigInteger),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Keys of operations that make no fact of their own (hold, reverse, void), with what was answered."""

OUTBOX: Final = sa.Table(
    "outbox",
    METADATA,
    sa.Column("event_id", AUTO, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.Text, sa.CheckConstraint(_one_of("topic", TOPICS), "topic"), nullable=False),
    sa.Column("issue_id", sa.BigInteger, nullable=False),
    sa.Column("redemption_id", sa.BigInteger),
    sa.Column("cents", sa.BigInteger, nullable=False),
    sa.Column("batch", sa.BigInteger),
    sa.Index(
        "ix_outbox_unclaimed",
        "event_id",
        sqlite_where=sa.text("batch is null"),
        postgresql_where=sa.text("batch is null"),
    ),
    sa.Index("ix_outbox_batch", "batch"),
    sqlite_autoincrement=True,
)
"""Every change of state, written with it; only `batch` is ever filled in, and only rows of done batches may go."""

BATCH: Final = sa.Table(
    "batch",
    METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("known_at", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("done_at", sa.BigInteger),
    sa.Column("trimmed_at", sa.BigInteger),
)
"""Outbox rows that were claimed together; each digest covers the one before."""

BATCH_TOPIC: Final = sa.Table(
    "batch_topic",
    METADATA,
    sa.Column("number", sa.BigInteger, sa.ForeignKey("batch.number"), primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("cents", sa.BigInteger, nullable=False),
)
"""What a batch held, by topic: so the books close also where its rows were trimmed."""
