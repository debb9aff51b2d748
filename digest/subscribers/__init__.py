"""Subscribers: fields, schedules and pauses, signing up, confirming and leaving, import and export."""
