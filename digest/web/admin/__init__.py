"""The desk's pages, for admins and editors. A file a page."""
