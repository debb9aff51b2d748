"""What admins do, by whatever way they come: command line, pages or API. Each change writes its line of the audit log.

Every function that changes something takes the transaction in which it happens, and `by`: an admin's address, or the
way ("command line"). Subscribers stand in the log by their number, so that nothing of who is erased is left there.
"""
