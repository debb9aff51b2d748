"""Runs the migrations in migrations/versions/."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config


def alembic_config(connection: Connection) -> "Config":
    """Return Alembic's configuration for an open connection. There is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415  (importing it takes as long as running a query)

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Apply all missing migrations in the connection's transaction."""
    from alembic import command  # noqa: PLC0415

    command.upgrade(alembic_config(connection), "head")
