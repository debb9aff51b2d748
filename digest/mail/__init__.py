"""What a subscriber reads. Pure: values in, bytes out.

    Delivery ─▶ compose ─▶ writer ─▶ mime ─▶ dkim ─▶ Message
                  │          │
                  │          ├── press, cardpress    digests printed from parts (stencil) in an ink
                  │          └── templates, mjml     everything else, by ordinary Jinja
                  ├── budget                         what fits
                  └── proof, specimen                templates tried on made-up mails first

context is all that templates see; cards makes a paper's share of it, languages its words, encoding its 7 bits.
"""

from digest.mail.cards import Stockroom, card
from digest.mail.compose import Composer
from digest.mail.context import Card
from digest.mail.dkim import Signer
from digest.mail.mime import Newsletter
from digest.mail.templates import Templates
from digest.mail.writer import Rendered

__all__ = ["Card", "Composer", "Newsletter", "Rendered", "Signer", "Stockroom", "Templates", "card"]
