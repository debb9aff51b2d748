"""The stages that turn feeds into mails: ingest, publish, deliver, and the bounces that come back."""
