"""How the last runs of each stage ended."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "stages",
        sa.Column("stage", sa.Text(), primary_key=True),
        sa.Column("running_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("active_at", sa.DateTime(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime()),
        sa.Column("failed_at", sa.DateTime()),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
    )
