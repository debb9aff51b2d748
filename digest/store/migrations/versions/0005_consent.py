"""Who must not be mailed and why, what was agreed to, and what came back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


# Numbers that may have been given out and were removed since; who had one may still have links with it.
_GIVEN_OUT = 1000


def upgrade() -> None:
    op.create_table(
        "numbers",
        sa.Column("of", sa.Text(), primary_key=True),
        sa.Column("last", sa.Integer(), nullable=False),
    )
    for table in ("subscribers", "deliveries"):
        op.execute(
            f"INSERT INTO numbers SELECT '{table}', max(id) + {_GIVEN_OUT} FROM {table} HAVING max(id) IS NOT NULL"  # noqa: S608
        )
    op.create_table("secrets", sa.Column("key_id", sa.Text(), primary_key=True))
    op.create_table(
        "suppressions",
        sa.Column("pseudonym", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("suppressed_at", sa.DateTime(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
    )
    op.create_table(
        "wordings",
        sa.Column("version", sa.Text(), primary_key=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("subscriber_id", sa.Integer(), nullable=False, index=True),
        sa.Column("pseudonym", sa.Text(), nullable=False, index=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), sa.ForeignKey("wordings.version")),
    )
    op.create_table(
        "bounces",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), sa.ForeignKey("deliveries.id", ondelete="SET NULL"), index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("bounced_at", sa.DateTime(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False, unique=True),
    )
    op.create_index("bounces_of", "bounces", ["pseudonym", "bounced_at"])
