"""The one error that parsers raise: they do not know their source's name, so the room's door adds it."""


class UnreadableError(ValueError):
    """What a source served cannot be read. The message says why, for people."""
