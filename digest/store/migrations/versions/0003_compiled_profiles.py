"""What rules ask, once, and each profile compiled to it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "queries",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False, unique=True),
    )
    op.add_column("profiles", sa.Column("compiled", sa.LargeBinary()))
