"""What the ledger's tables forbid beyond their constraints: facts never change or vanish, states go one way.

A rule that a migration has made stays as it is here; another migration drops it and makes one of another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coupon_pipeline.ledger.statement import Dialect

ISSUE_FACTS: Final = (
    "issue_id, code_hash, key_id, coupon_id, campaign_id, category, pid, slot, day, day_slot, value_cents, "
    "supplier_id, supplier_cents, campaign_shard, supplier_shard, total_shard, issued_at, valid_from, expires_at, "
    "client, arm, policy, propensity, channel, is_imported"
)
REDEMPTION_FACTS: Final = (
    "redemption_id, issue_id, client, idem, fingerprint, discount_cents, store_id, till_id, basket_id, "
    "stacking_group, at"
)
TRANSITIONS: Final = (
    "old.state = 'issued' and new.state in ('redeemed', 'expired', 'void')",
    "old.state = 'redeemed' and new.state in ('issued', 'expired', 'void')",
)


@dataclass(frozen=True)
class Rule:
    """A trigger: what it speaks of, which rows it forbids, and what it says."""

    name: str
    table: str
    event: str
    """`update`, `update of <columns>` or `delete`."""
    says: str
    condition: str = "true"
    """Which rows are forbidden: SQL over `old` and `new` that both databases understand."""


def _kept(table: str) -> Rule:
    return Rule(f"{table}_kept", table, "delete", f"rows of {table} are never deleted")


def _unchanged(table: str) -> Rule:
    return Rule(f"{table}_unchanged", table, "update", f"rows of {table} never change")


def _filled_once(table: str, column: str) -> Rule:
    return Rule(
        f"{table}_{column}_once",
        table,
        f"update of {column}",
        f"{column} of {table} is filled in once and stays",
        f"old.{column} is not null or new.{column} is null",
    )


RULES: Final = (
    Rule("issue_facts", "issue", f"update of {ISSUE_FACTS}", "the facts of an issue never change"),
    Rule(
        "issue_erasure",
        "issue",
        "update of decision_id, idem, fingerprint",
        "decision and key of an issue change at erasure alone, after its pseudonym has gone",
        "new.decision_id is not null or exists (select 1 from pseudonym where pid = old.pid)",
    ),
    Rule(
        "issue_state",
        "issue",
        "update of state",
        "an issue goes from issued to redeemed, expired or void, from redeemed to issued, expired or void",
        f"old.state <> new.state and not ({' or '.join(TRANSITIONS)})",
    ),
    _kept("issue"),
    Rule(
        "redemption_facts",
        "redemption",
        f"update of {REDEMPTION_FACTS}",
        "the facts of a redemption never change: reverse it",
    ),
    _filled_once("redemption", "reversed_at"),
    _kept("redemption"),
    _unchanged("consent_change"),
    _kept("consent_change"),
    _unchanged("suppression"),
    _kept("suppression"),
    _unchanged("request"),
    _kept("request"),
    _unchanged("pseudonym"),
    Rule(
        "outbox_facts",
        "outbox",
        "update of event_id, at, topic, issue_id, redemption_id, cents",
        "an event of the outbox never changes",
    ),
    _filled_once("outbox", "batch"),
    Rule(
        "outbox_kept",
        "outbox",
        "delete",
        "an event of the outbox stays until its batch is done",
        "not exists (select 1 from batch where number = old.batch and done_at is not null)",
    ),
    Rule("batch_facts", "batch", "update of number, known_at, digest", "number, instant and digest of a batch stay"),
    _filled_once("batch", "done_at"),
    _filled_once("batch", "trimmed_at"),
    _kept("batch"),
    _unchanged("batch_topic"),
    _kept("batch_topic"),
)
"""All rules of revision 0001."""


def create(dialect: Dialect, rules: tuple[Rule, ...] = RULES) -> list[str]:
    """Statements that make the triggers of rules."""
    if dialect == "sqlite":
        return [_sqlite(rule) for rule in rules]
    tables = sorted({rule.table for rule in rules})
    return [
        *(statement for rule in rules for statement in _postgresql(rule)),
        _refusing("emptied", "tables of the ledger are never emptied", "true"),
        *(
            f"create trigger {table}_emptied before truncate on {table} execute function forbid_emptied()"
            for table in tables
        ),
    ]


def drop(dialect: Dialect, rules: tuple[Rule, ...] = RULES) -> list[str]:
    """Statements that take away what `create` makes."""
    if dialect == "sqlite":
        return [f"drop trigger {rule.name}" for rule in rules]
    return [f"drop function forbid_{name} cascade" for name in (*(rule.name for rule in rules), "emptied")]


def _sqlite(rule: Rule) -> str:
    return (
        f"create trigger {rule.name} before {rule.event} on {rule.table} for each row when {rule.condition} "
        f"begin select raise(abort, '{rule.says}'); end"
    )


def _postgresql(rule: Rule) -> tuple[str, str]:
    return (
        _refusing(rule.name, rule.says, rule.condition, "old" if rule.event == "delete" else "new"),
        f"create trigger {rule.name} before {rule.event} on {rule.table} "
        f"for each row execute function forbid_{rule.name}()",
    )


def _refusing(name: str, says: str, condition: str, row: str = "null") -> str:
    """A function of PostgreSQL that refuses as a violated constraint does."""
    return (
        f"create function forbid_{name}() returns trigger language plpgsql as $$ begin "
        f"if {condition} then raise exception '{says}' using errcode = 'integrity_constraint_violation'; end if; "
        f"return {row}; end $$"
    )
