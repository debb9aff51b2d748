"""What a subscriber reads. Pure: values in, bytes out."""

from digest.mail.compose import Composer
from digest.mail.dkim import Signer
from digest.mail.mime import Newsletter
from digest.mail.templates import Templates
from digest.mail.writer import Rendered

__all__ = ["Composer", "Newsletter", "Rendered", "Signer", "Templates"]
