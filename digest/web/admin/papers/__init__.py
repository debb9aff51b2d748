"""The desk's pages of where papers come from: sources, and readers."""
