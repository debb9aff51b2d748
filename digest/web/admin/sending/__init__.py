"""The desk's pages of mails: what goes out next, what became of each, and how they are written."""
