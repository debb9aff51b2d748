"""Signed links, return paths, addresses under pseudonyms, and passwords."""
