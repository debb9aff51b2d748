"""Running the migrations in migrations/versions/ on an open transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from digest.store.database import Transaction


def alembic_config(tx: Transaction) -> Config:
    """Alembic's configuration, made here: an alembic.ini would be one more file to find."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = tx
    return config


def upgrade(tx: Transaction) -> None:
    """Apply what the database has not seen yet, inside `tx`: all of it or nothing."""
    command.upgrade(alembic_config(tx), "head")
