"""Finding subscribers among very many: what they are found by, ordered, and an index of every three letters of it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_BATCH = 10_000  # rows

# store/sqlite.py keeps it: FTS5 in a trigger is refused where trusted_schema is off. It says which rows hold some three
# letters and not where: small, and quickly written.
_INDEX = """
CREATE VIRTUAL TABLE subscribers_search USING fts5(
    found_by, content='subscribers', content_rowid='id', tokenize='trigram case_sensitive 1', detail=none, columnsize=0
)
"""


def upgrade() -> None:
    op.add_column("subscribers", sa.Column("found_by", sa.Text(), nullable=False, server_default=""))
    _fill()
    op.create_index("ix_subscribers_found_by", "subscribers", ["found_by"])
    op.create_index("subscribers_of_state", "subscribers", ["state", "found_by"])
    op.execute(_INDEX)
    op.execute("INSERT INTO subscribers_search (subscribers_search) VALUES ('rebuild')")


def _fill() -> None:
    people = sa.table("subscribers", *(sa.column(name) for name in ("id", "email_key", "name", "found_by")))
    change = sa.update(people).where(people.c.id == sa.bindparam("of")).values(found_by=sa.bindparam("found_by"))
    after = 0
    while (
        some := op.get_bind()
        .execute(sa.select(people).where(people.c.id > after).order_by(people.c.id).limit(_BATCH))
        .all()
    ):
        after = some[-1].id
        found = [{"of": row.id, "found_by": f"{row.email_key}\n{row.name.casefold()}"} for row in some]
        op.get_bind().execute(change, found)
