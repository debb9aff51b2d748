"""Actions of admins, for commands, pages and the API. Each change writes a line of the audit log.

Functions that change something take the transaction, and `by`: an admin's address, a token, or "command line". The log
names subscribers by number, so that it contains nothing of those who are erased.
"""
