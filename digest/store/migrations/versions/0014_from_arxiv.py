"""Papers that arXiv itself announced are marked, because no other source may change what is stored of them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("paper_revisions", sa.Column("from_arxiv", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Who announced a paper before is known by the ids that arXiv's feeds and its API give to their entries.
    op.execute(
        "UPDATE paper_revisions SET from_arxiv = true WHERE paper_id IN ("
        " SELECT paper_id FROM sightings WHERE guid LIKE 'oai:arXiv.org:%' OR guid LIKE 'http://arxiv.org/abs/%')"
    )
