"""Sending can be put on hold."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.Integer(), sa.CheckConstraint("id = 1", name="only_one"), primary_key=True),
        sa.Column("held_at", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    )
