"""Which papers the digests of a subscriber looked at, from when on slots count, and what is wrong with a subscriber."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for column in (
        sa.Column("slots_from", sa.DateTime()),
        sa.Column("papers_from", sa.DateTime()),
        sa.Column("papers_to", sa.Integer()),
        sa.Column("problem", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("subscribers", column)
    op.create_index(
        "subscribers_with_problem",
        "subscribers",
        ["id"],
        sqlite_where=sa.text("problem != ''"),
        postgresql_where=sa.text("problem != ''"),
    )
    # A last slot after the last digest was the end of a pause, or the time when they came back.
    op.execute("UPDATE subscribers SET slots_from = last_slot_at WHERE last_slot_at > last_digest_at")
