"""The rule language: text becomes queries (parser.py), and queries become text again (query.py).

translation.py turns queries of arXiv and PubMed into rules.
"""
