"""The desk's pages of shared profiles: for editors, too."""
