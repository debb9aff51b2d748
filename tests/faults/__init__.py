"""Servers, disks, clocks and processes that fail on request."""
