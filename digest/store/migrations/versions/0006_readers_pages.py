"""What readers choose on their own pages, and the papers that they propose."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for column in (
        sa.Column("announce_types", sa.Text(), nullable=False, server_default=""),
        sa.Column("wants_trending", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("resumes_at", sa.DateTime()),
        sa.Column("new_email", sa.Text(), nullable=False, server_default=""),
        sa.Column("feed", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("subscribers", column)
    op.create_index("ix_subscribers_resumes_at", "subscribers", ["resumes_at"])
    op.create_table(
        "submissions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False, unique=True),
        sa.Column("state", sa.Text(), nullable=False, index=True),
        sa.Column("submitted_at", sa.DateTime(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime()),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id")),
    )
