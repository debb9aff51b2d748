"""Matches many profiles against many papers, on NumPy arrays.

Papers become words (corpus.py). The rules of all profiles become one table of conditions (query_plan.py) over one trie
of phrases (phrase_trie.py). evaluation.py finds the papers that each condition is true of, and scoring.py turns these
and the rules' weights into the best papers of every profile. index.py runs it all, explains the results with reasons
and evidence, and stores an index in a file; ragged.py holds the array arithmetic.
"""
