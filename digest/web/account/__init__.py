"""A reader's own pages, a file each: by the links in their mails, and at /settings for who is signed in."""
