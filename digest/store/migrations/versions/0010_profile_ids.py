"""Counts the ids of profiles: one that a removed profile had is not given out again."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        "INSERT INTO numbers (of, last) SELECT 'profile_ids', max(id) FROM"
        " (SELECT id FROM profiles UNION SELECT profile_id FROM profile_versions) AS used HAVING max(id) IS NOT NULL"
    )
