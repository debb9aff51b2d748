"""Why a subscriber got a paper, or did not. Reads the store and never writes."""

from digest.explain.deciding import explain
from digest.explain.record import Explanation, Place, Verdict

__all__ = ["Explanation", "Place", "Verdict", "explain"]
