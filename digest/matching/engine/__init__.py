"""Many profiles against many papers, on arrays.

The way of a match: texts become words (corpus.py), queries become a table of conditions (program.py) over one
dictionary of phrases (dictionary.py), conditions meet papers (truth.py), and what is true is summed into the best
papers of every profile (join.py). index.py and search.py put it together; matches.py and witness.py say why. ragged.py
is the arithmetic that all of it stands on; snapshot.py keeps an index in a file.
"""
