"""Rules as they are sent: read, or told line by line where they cannot be."""

from digest.admin.profile_actions import compile_profile_rules
from digest.errors import RuleError
from digest.matching import compile_rules
from digest.models import CompiledRules
from digest.web.api.problems import Refused, RuleMistake
from digest.web.forms.keywords import mistakes_in


def shared(text: str) -> CompiledRules:
    """The rules of a shared profile. Raises Refused, and UsageError where they could never find a paper."""
    own(text)
    return compile_profile_rules(text)


def own(text: str) -> CompiledRules:
    """Somebody's own keywords; none are good, too. Raises Refused with the mistake of each line."""
    try:
        return compile_rules(text)
    except RuleError as error:
        mistakes = [RuleMistake(line=m.line, column=m.column, reason=m.reason) for m in mistakes_in(text, error)]
        raise Refused(422, f"rules: {error}", errors=mistakes) from None
