"""Admin pages about shared profiles, for admins and editors."""
