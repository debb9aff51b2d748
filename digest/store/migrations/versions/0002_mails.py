"""What the mails need: texts as they were written, the reader's language, trending papers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("title_source", "abstract_source"):
        op.add_column("paper_revisions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("subscribers", sa.Column("language", sa.Text(), nullable=False, server_default="en"))
    op.add_column("digests", sa.Column("trending", sa.JSON(), nullable=False, server_default="[]"))
