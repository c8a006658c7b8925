"""Makes all tables of the ledger, with what they forbid.

As everything in a migration that has run somewhere, this stays as it is: a change of the tables is another migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from coupon_pipeline.ledger import triggers
from coupon_pipeline.ledger.migrations.shorthand import (
    AUTO,
    BYTES,
    INT,
    TEXT,
    check,
    dialect,
    empty,
    filled,
    foreign,
    index,
    key,
    primary,
)

revision = "0001"
down_revision = None

TABLES = (
    *("setting", "campaign", "coupon", "coupon_product", "escrow"),
    *("pseudonym", "consent", "consent_change", "suppression"),
    *("issue", "redemption", "request", "outbox", "batch", "batch_topic"),
)


def upgrade() -> None:
    """Make tables, indexes, triggers and the counter of issue ids."""
    definitions()
    households()
    issues()
    redemptions()
    events()
    for statement in triggers.create(dialect()):
        op.execute(statement)
    if dialect() == "postgresql":
        op.execute("create sequence issue_id start 1")
    else:
        op.execute("insert into setting (name, value) values ('next_issue_id', '1')")


def downgrade() -> None:
    """Take everything away, with all that the ledger has recorded."""
    for statement in triggers.drop(dialect()):
        op.execute(statement)
    if dialect() == "postgresql":
        op.execute("drop sequence issue_id")
    for table in ("batch_topic", "batch", "outbox", "request", "redemption", "issue", "suppression"):
        op.drop_table(table)
    for table in (
        "consent_change",
        "consent",
        "pseudonym",
        "escrow",
        "coupon_product",
        "coupon",
        "campaign",
        "setting",
    ):
        op.drop_table(table)


def definitions() -> None:
    """Settings, campaigns, coupons and their limits."""
    op.create_table("setting", key("name", TEXT), filled("value", TEXT), primary("setting", "name"))
    op.create_table(
        "campaign",
        key("campaign_id"),
        filled("state", TEXT),
        filled("per_household", INT),
        empty("budget_cents"),
        filled("paid_cents", server_default="0"),
        primary("campaign", "campaign_id"),
        check("campaign", "state", "state in ('open', 'closed')"),
        check("campaign", "cap", "per_household between 1 and 100"),
        check("campaign", "budget", "budget_cents >= 0"),
    )
    op.create_table(
        "coupon",
        key("coupon_id"),
        filled("campaign_id"),
        empty("category", TEXT),
        filled("value_cents"),
        filled("min_quantity", INT),
        filled("min_spend_cents"),
        filled("valid_from"),
        filled("expires_at"),
        empty("supplier_id"),
        filled("supplier_share_bp", INT),
        empty("stacking_group", TEXT),
        filled("is_bound", INT),
        primary("coupon", "coupon_id"),
        foreign("coupon", "campaign_id", "campaign.campaign_id"),
        check("coupon", "value", "value_cents > 0"),
        check("coupon", "quantity", "min_quantity >= 0"),
        check("coupon", "spend", "min_spend_cents >= 0"),
        check("coupon", "share", "supplier_share_bp between 0 and 10000"),
        check("coupon", "bound", "is_bound in (0, 1)"),
        check("coupon", "window", "valid_from < expires_at"),
    )
    op.create_table(
        "coupon_product",
        key("coupon_id"),
        key("product_id"),
        primary("coupon_product", "coupon_id", "product_id"),
        foreign("coupon_product", "coupon_id", "coupon.coupon_id"),
    )
    scopes = "'campaign', 'supplier', 'total', 'campaign_issues', 'coupon_issues'"
    op.create_table(
        "escrow",
        key("scope", TEXT),
        key("scope_id"),
        key("shard", INT),
        filled("granted"),
        filled("reserved"),
        primary("escrow", "scope", "scope_id", "shard"),
        check("escrow", "scope", f"scope in ({scopes})"),
        check("escrow", "limit", "reserved >= 0 and reserved <= granted"),
    )


def households() -> None:
    """Pseudonyms, consent and its history, and who was erased."""
    op.create_table(
        "pseudonym",
        key("household_hmac", BYTES),
        filled("pid", BYTES),
        primary("pseudonym", "household_hmac"),
        sa.UniqueConstraint("pid"),
    )
    op.create_table(
        "consent",
        key("pid", BYTES),
        filled("marketing", INT),
        filled("at"),
        primary("consent", "pid"),
        check("consent", "marketing", "marketing in (0, 1)"),
    )
    op.create_table(
        "consent_change",
        filled("change_id", AUTO),
        filled("pid", BYTES),
        filled("marketing", INT),
        filled("at"),
        primary("consent_change", "change_id"),
        sqlite_autoincrement=True,
    )
    op.create_table("suppression", key("household_hmac", BYTES), filled("at"), primary("suppression", "household_hmac"))


def issues() -> None:
    """Coupons given to households."""
    op.create_table(
        "issue",
        key("issue_id", AUTO),
        filled("code_hash", BYTES),
        filled("key_id", INT),
        filled("coupon_id"),
        filled("campaign_id"),
        empty("category", TEXT),
        filled("pid", BYTES),
        filled("slot", INT),
        filled("day", INT),
        empty("day_slot", INT),
        filled("value_cents"),
        empty("supplier_id"),
        filled("supplier_cents"),
        *(filled(name, INT) for name in ("campaign_shard", "supplier_shard", "total_shard")),
        *(filled(name) for name in ("issued_at", "valid_from", "expires_at")),
        filled("client", TEXT),
        filled("idem", BYTES),
        filled("fingerprint", BYTES),
        *(empty(name, TEXT) for name in ("decision_id", "arm", "policy")),
        empty("propensity", sa.Double()),
        filled("channel", TEXT),
        filled("is_imported", INT),
        filled("state", TEXT),
        primary("issue", "issue_id"),
        foreign("issue", "coupon_id", "coupon.coupon_id"),
        check("issue", "value", "value_cents > 0"),
        check("issue", "state", "state in ('issued', 'redeemed', 'expired', 'void')"),
    )
    index("ux_issue_code", "issue", "code_hash", unique=True)
    index("ux_issue_key", "issue", "client", "idem", unique=True)
    index("ux_issue_household", "issue", "pid", "campaign_id", "slot", unique=True)
    index("ux_issue_day", "issue", "pid", "day", "day_slot", where="day_slot is not null", unique=True)
    live = "state = 'issued' and category is not null"
    index("ux_issue_category", "issue", "pid", "category", where=live, unique=True)
    index("ix_issue_expiry", "issue", "expires_at", where="state = 'issued'")


def redemptions() -> None:
    """Issues used at tills, and keys of operations that make no fact."""
    op.create_table(
        "redemption",
        filled("redemption_id", AUTO),
        empty("issue_id"),
        filled("client", TEXT),
        filled("idem", BYTES),
        filled("fingerprint", BYTES),
        filled("discount_cents"),
        *(empty(name, TEXT) for name in ("store_id", "till_id", "basket_id", "stacking_group")),
        filled("at"),
        empty("reversed_at"),
        primary("redemption", "redemption_id"),
        foreign("redemption", "issue_id", "issue.issue_id"),
        check("redemption", "discount", "discount_cents >= 0"),
        sqlite_autoincrement=True,
    )
    index("ux_redemption_key", "redemption", "client", "idem", unique=True)
    index("ux_redemption_live", "redemption", "issue_id", where="reversed_at is null", unique=True)
    stacked = "reversed_at is null and stacking_group is not null"
    index("ux_redemption_stack", "redemption", "store_id", "basket_id", "stacking_group", where=stacked, unique=True)
    op.create_table(
        "request",
        key("client", TEXT),
        key("operation", TEXT),
        key("idem", BYTES),
        filled("fingerprint", BYTES),
        empty("issue_id"),
        filled("answer", TEXT),
        filled("at"),
        primary("request", "client", "operation", "idem"),
    )


def events() -> None:
    """What is published, and in which batches it was."""
    op.create_table(
        "outbox",
        filled("event_id", AUTO),
        filled("at"),
        filled("topic", TEXT),
        filled("issue_id"),
        empty("redemption_id"),
        filled("cents"),
        empty("batch"),
        primary("outbox", "event_id"),
        check("outbox", "topic", "topic in ('issued', 'redeemed', 'reversed', 'expired', 'void')"),
        sqlite_autoincrement=True,
    )
    index("ix_outbox_unclaimed", "outbox", "event_id", where="batch is null")
    index("ix_outbox_batch", "outbox", "batch")
    op.create_table(
        "batch",
        key("number"),
        filled("known_at"),
        filled("digest", TEXT),
        empty("done_at"),
        empty("trimmed_at"),
        primary("batch", "number"),
    )
    op.create_table(
        "batch_topic",
        key("number"),
        key("topic", TEXT),
        filled("events"),
        filled("cents"),
        primary("batch_topic", "number", "topic"),
        foreign("batch_topic", "number", "batch.number"),
    )
