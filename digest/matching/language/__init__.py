"""The rules that people write: from text to queries (parser.py), and back to text (canonical.py)."""
