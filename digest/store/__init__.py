"""What is remembered: the only room with SQL.

Each file holds the functions of one noun; they take an open Transaction. `Store` opens the database.
"""

from digest.store.database import Store, Transaction

__all__ = ["Store", "Transaction"]
