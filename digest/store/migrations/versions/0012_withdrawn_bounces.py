"""Bounces can be withdrawn: a suppression remembers the subscriber's state before it, and bounces are found by date."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("suppressions", sa.Column("subscriber_state", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_bounces_bounced_at", "bounces", ["bounced_at"])
