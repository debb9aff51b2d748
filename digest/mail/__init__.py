"""The mails that subscribers get. Pure: values in, bytes out.

    Delivery ─▶ compose ─▶ mail_renderer ─▶ mime ─▶ dkim ─▶ Message
                  │          ├── fast                 digests, from fragments that Jinja rendered once
                  │          └── templates, mjml      all other mails, by Jinja
                  ├── html_budget                     how many papers and how much of their abstracts fit
                  └── template_check                  templates are tried before a subscriber's mail is rendered

Templates see the records in context, which cards makes of papers. languages holds translations, encoding makes text
7-bit, headers encodes the subject and all other headers, which mime writes.
"""

from digest.mail.cards import PaperCache, build_card
from digest.mail.compose import Composer
from digest.mail.context import Card
from digest.mail.dkim import Signer
from digest.mail.mail_renderer import RenderedMail
from digest.mail.mime import Newsletter
from digest.mail.templates import Templates

__all__ = ["Card", "Composer", "Newsletter", "PaperCache", "RenderedMail", "Signer", "Templates", "build_card"]
