"""Tries templates on made-up mails before a reader's goes through them. Refuses what no reader should get."""

import html
from collections.abc import Iterable

from digest.errors import TemplateError
from digest.mail.budget import MAX_HTML_BYTES
from digest.mail.cardpress import Outline
from digest.mail.context import NoteMail
from digest.mail.templates import Templates
from digest.mail.writer import DIGEST, HTML, TEXT, Rendered, Writer, template


def prove(
    writer: Writer, templates: Templates, outlines: Iterable[Outline], notes: Iterable[tuple[str, NoteMail]]
) -> None:
    """Raises TemplateError, with file and line, for what would spoil every mail. `notes` have their templates' names.

    A template whose print is not what ordinary Jinja gives is rendered by Jinja from now on.
    """
    for outline in outlines:
        writer.compare(outline)
        rendered = writer.digest(outline)
        if len(rendered.html) > MAX_HTML_BYTES:
            reason = f"takes {len(rendered.html)} bytes of HTML for a handful of papers; {MAX_HTML_BYTES} is the most"
            raise TemplateError(templates.file(template(DIGEST, HTML)), 1, reason)
        _holds(rendered, DIGEST, "mail.unsubscribe_url", outline.mail.unsubscribe_url, templates)
    for name, mail in notes:
        _holds(writer.note(name, mail), name, "mail.action_url", mail.action_url, templates)


def _holds(rendered: Rendered, name: str, variable: str, link: str, templates: Templates) -> None:
    """The link without which the mail is no good stands in both bodies."""
    bodies = {HTML: html.unescape(rendered.readable_html), TEXT: rendered.readable_text}
    for part, body in bodies.items():
        if link not in body:
            last_line = templates.lines(template(name, part))
            raise TemplateError(
                templates.file(template(name, part)), last_line, f"ends without {{{{ {variable} }}}}: a reader needs it"
            )
