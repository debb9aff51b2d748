"""The only package with SQL. Each module has the functions for one noun; they take an open transaction."""

from digest.store.database import Store, Transaction

__all__ = ["Store", "Transaction"]
