"""Servers that fail as they are told."""
