"""Why a subscriber got a paper, or did not. Only reads the store."""

from digest.explain.explanation import Explanation, Place, Verdict
from digest.explain.verdict import explain

__all__ = ["Explanation", "Place", "Verdict", "explain"]
