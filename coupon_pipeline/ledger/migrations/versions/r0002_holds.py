"""Adds the columns by which the basket of a till holds an issue for minutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them, empty."""
    op.add_column("issue", sa.Column("held_by", sa.Text()))
    op.add_column("issue", sa.Column("held_idem", sa.LargeBinary()))
    op.add_column("issue", sa.Column("held_until", sa.BigInteger()))


def downgrade() -> None:
    """Take them away, with the holds that have not ended."""
    for column in ("held_until", "held_idem", "held_by"):
        op.drop_column("issue", column)
