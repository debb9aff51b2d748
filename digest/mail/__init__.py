"""What a subscriber reads. Pure: values in, bytes out.

    Delivery ─▶ compose ─▶ renderer ─▶ mime ─▶ dkim ─▶ Message
                  │          │
                  │          ├── press, cardpress    digests printed from parts (stencil) in an encoder
                  │          └── templates, mjml     everything else, by ordinary Jinja
                  ├── budget                         what candidate_fits
                  └── proof, specimen                templates tried on made-up mails first

context is all that templates see; cards makes a paper's share of it, languages its words, encoding its 7 bits.
"""

from digest.mail.cards import PaperCache, build_card
from digest.mail.compose import Composer
from digest.mail.context import Card
from digest.mail.dkim import Signer
from digest.mail.mail_renderer import RenderedMail
from digest.mail.mime import Newsletter
from digest.mail.templates import Templates

__all__ = ["Card", "Composer", "Newsletter", "PaperCache", "RenderedMail", "Signer", "Templates", "build_card"]
