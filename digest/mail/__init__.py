"""What a subscriber reads. Pure: values in, bytes out."""

from digest.mail.compose import Composer, Newsletter, Rendered
from digest.mail.templates import Templates

__all__ = ["Composer", "Newsletter", "Rendered", "Templates"]
