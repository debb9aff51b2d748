"""Signed links, return paths, pseudonyms of addresses, and passwords."""
