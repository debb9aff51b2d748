"""The desk's pages of subscribers, of who must not be mailed, and of what came back."""
