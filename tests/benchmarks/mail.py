"""What a mail costs: `python -m tests.benchmarks.mail [--quick] [--json]`.

Real papers of three days, ten of them with their full abstracts in each mail, and in each mail other keywords marked.

render      the HTML of a digest, its templates warm: from fragments (`digest`); by Jinja, from MJML compiled once; by
            Jinja and then MJML, for each mail; and the time of joining the same bytes from the same pieces, and of
            copying the mails behind one another
scattered   the same where hardly two readers have the same matches in the same paper, and each mail is a new one
cold        the same from the first mail on, templates and cards and all
message     bodies -> the bytes of a message
rsa, ed25519   a signature, beside the bare signature of the key, and dkimpy's
mail        all of it, a digest -> the bytes of a message, beside what a typical script does
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import cycle, islice
from random import Random
from typing import TypeVar

import dkim
import jinja2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from mjml import mjml2html

from digest.demo import PAPERS
from digest.mail import RenderedMail, Signer, Templates
from digest.mail.cards import PaperCache
from digest.mail.encoding import HtmlEncoder, Piece, html_bytes
from digest.mail.fast.fragments import split_template
from digest.mail.fast.renderer import MAIL, FastRenderer
from digest.mail.html_budget import Fit
from digest.mail.mail_renderer import HTML, MailRenderer, template
from digest.mail.mime import MessageBuilder
from digest.matching import ProfileIndex, choose
from digest.models import Digest, DigestItem, Evidence, Field, Paper
from digest.security.links import Scope
from digest.sources import parse
from digest.sources.identity import paper_of
from tests.benchmarks import harness
from tests.benchmarks.harness import Case, Method
from tests.benchmarks.rivals import Script, email_message, mjml_by_reader
from tests.builders import NOW, RECORDINGS, a_delivery, a_digest, a_pem, a_profile, a_subscriber
from tests.mail.samples import LINKS, SENDER, composer
from tests.matching.finding import match_all
from tests.recordings import papers_of, rule_lists

PAPERS_A_MAIL = 10
FULL = 10_000  # characters of an abstract
DIGEST_HTML = template("digest", HTML)

ThingT = TypeVar("ThingT")


def cases(n: int) -> Iterator[Case]:
    """What is measured, each with `n` mails."""
    mails = _Mails(_digests(n))
    yield Case("render", n, mails.render())
    yield Case("scattered", n, _Mails(_random_digests(n * 8)).render())
    yield Case("cold", n, mails.cold())
    yield Case("message", n, mails.message())
    yield Case("rsa", n, mails.signature(generate_private_key(65537, 2048)))
    yield Case("ed25519", n, mails.signature(Ed25519PrivateKey.generate()))
    yield Case("mail", n, mails.whole())


class _Mails:
    """Digests to make mails of, and the methods that make them."""

    def __init__(self, digests: Sequence[Digest]) -> None:
        self._digests = digests
        self._composer = composer(max_abstract=FULL)
        self._outlines = [self._composer._outline(d, Fit(d.items, (), FULL), welcome=False) for d in self._digests]

    def render(self) -> list[Method]:
        renderer = _renderer()
        encoder = _Recording()
        recording = FastRenderer(split_template(*_page(renderer), MAIL, "mail"), encoder, PaperCache())
        for outline in self._outlines:
            recording.render(outline)
        contexts = [renderer._with_cards(outline) for outline in self._outlines]
        page, mjml = _page(renderer)[0].get_template(DIGEST_HTML), mjml_by_reader(_page(renderer)[0])
        return [
            Method("digest", _run_each(self._outlines, lambda outline: renderer.render_part(HTML, outline))),
            Method("join", _run_each(encoder.recorded, b"".join)),
            Method("copy", _copy_mails([b"".join(pieces) for pieces in encoder.recorded])),
            Method("jinja", _run_each(contexts, lambda mail: html_bytes(page.render(mail=mail))), most=100),
            Method("jinja->mrml", _run_each(contexts, lambda mail: mjml2html(mjml.render(mail=mail))), most=100),
        ]

    def cold(self) -> list[Method]:
        def fast(count: int) -> object:
            renderer = _renderer()
            return [renderer.render_part(HTML, outline) for outline in self._outlines[:count]]

        def rendered(count: int) -> object:
            renderer = _renderer()
            return [renderer.render_with_jinja(HTML, outline) for outline in self._outlines[:count]]

        return [Method("digest", fast), Method("jinja", rendered, most=100)]

    def message(self) -> list[Method]:
        envelope = MessageBuilder(SENDER, LINKS.secret, signer=None, return_paths=None)
        bodies = [(d, url, self._composer.render(a_delivery(d))) for d, url in self._addressed]

        def ours(mail: tuple[Digest, str, RenderedMail]) -> object:
            d, url, rendered = mail
            return envelope.build(
                rendered, d.subscriber, message_id=d.message_id, dated_at=d.created_at, unsubscribe=[url]
            )

        texts = [(d, r.readable_html, r.readable_text, r.subject, url) for d, url, r in bodies]
        return [
            Method("digest", _run_each(bodies, ours)),
            Method("EmailMessage", _run_each(texts, lambda mail: email_message(*mail)), most=100),
        ]

    def signature(self, key: RSAPrivateKey | Ed25519PrivateKey) -> list[Method]:
        signer = Signer.from_pem(a_pem(key), domain="example.org", selector="s1", named="key")
        signed = b"x" * 1200  # about as many bytes as the headers that a signature covers

        def bare(_: object) -> bytes:
            return key.sign(signed) if isinstance(key, Ed25519PrivateKey) else key.sign(signed, PKCS1v15(), SHA256())

        pem = base64.b64encode(key.private_bytes_raw()) if isinstance(key, Ed25519PrivateKey) else a_pem(key)
        how = {"signature_algorithm": b"ed25519-sha256"} if isinstance(key, Ed25519PrivateKey) else {}
        return [
            Method("digest", _run_each(self._messages, lambda message: signer.sign(message, signed_at=NOW))),
            Method("bare signature", _run_each(self._messages, bare)),
            Method(
                "dkimpy",
                _run_each(
                    self._messages,
                    lambda m: dkim.sign(m, b"s1", b"example.org", pem, canonicalize=(b"relaxed", b"simple"), **how),
                ),
                most=50,
            ),
        ]

    def whole(self) -> list[Method]:
        script = Script()
        return [
            Method("digest", _run_each(self._digests, lambda digest: self._composer.message(a_delivery(digest)))),
            Method("script", _run_each(self._addressed, lambda mail: script.mail(*mail)), most=100),
        ]

    @property
    def _addressed(self) -> list[tuple[Digest, str]]:
        return [(d, LINKS.url(Scope.UNSUBSCRIBE, d.subscriber.id, d.subscriber.epoch)) for d in self._digests]

    @cached_property
    def _messages(self) -> list[bytes]:
        return [self._composer.message(a_delivery(digest)).content for digest in self._digests]


class _Recording(HtmlEncoder):
    """Keeps the pieces that mails are joined from."""

    def __init__(self) -> None:
        self.recorded: list[list[bytes]] = []

    def finish(self, pieces: Iterable[Piece]) -> bytes:
        self.recorded.append([piece for piece in pieces if isinstance(piece, bytes)])
        return b""


def _run_each(things: Sequence[ThingT], do: Callable[[ThingT], object]) -> Callable[[int], object]:
    """Does the next `count` of them and keeps what comes of it, as a batch on its way to the server is kept."""
    coming = cycle(things)
    return lambda count: [do(thing) for thing in islice(coming, count)]


def _copy_mails(mails: Sequence[bytes]) -> Callable[[int], object]:
    return lambda count: b"".join(mails[:count])


def _renderer() -> MailRenderer:
    templates = Templates()
    return MailRenderer(templates, templates.languages.find("en"), PaperCache())


def _page(renderer: MailRenderer) -> tuple[jinja2.Environment, str]:
    return renderer._templates.environment(renderer.language), DIGEST_HTML


def _random_digests(n: int) -> list[Digest]:
    """Digests of ten papers drawn at random, with one to three of twelve words of each marked."""
    random = Random(1)
    papers = _papers()
    words_of = {p.id: sorted(set(re.findall(r"[a-z]{7,}", f"{p.title} {p.abstract}")))[:12] for p in papers}
    made: list[Digest] = []
    for number in range(n):
        items = []
        for paper in random.sample(papers, PAPERS_A_MAIL):
            words = words_of[paper.id]
            marked = random.sample(words, min(len(words), random.randint(1, 3)))
            hits = [
                Evidence(field=field, start=found.start(), end=found.end(), rule=word)
                for field in (Field.TITLE, Field.ABSTRACT)
                for word in marked
                for found in re.finditer(rf"\b{word}\b", paper.text_of(field))
            ]
            hits.sort(key=lambda e: (e.field is Field.ABSTRACT, e.start))
            items.append(DigestItem(paper=paper, profile="Words", score=1.0, evidence=tuple(hits)))
        reader = a_subscriber(f"reader{number}@example.org", id=number + 1)
        made.append(a_digest(items, subscriber=reader, message_id=f"{number}@example.org"))
    return made


def _digests(n: int) -> list[Digest]:
    """Digests of ten papers for `n` readers, each with keywords of their own; those who match fewer are passed over."""
    papers = _papers()
    made: list[Digest] = []
    seed = 0
    while len(made) < n:
        seed += 1
        profiles = [a_profile(rules) for rules in rule_lists(n, lines=60, seed=seed)]
        matches = match_all(ProfileIndex.build(profiles), papers, limit=PAPERS_A_MAIL)
        for row in range(n):
            items = choose([matches.for_profile(row, profiles[row])], known=(), left_out=(), limit=PAPERS_A_MAIL).items
            if len(items) == PAPERS_A_MAIL and len(made) < n:
                reader = a_subscriber(f"reader{len(made)}@example.org", id=len(made) + 1)
                made.append(a_digest(items, subscriber=reader, message_id=f"{len(made)}@example.org"))
    return made


def _papers() -> list[Paper]:
    if RECORDINGS.is_dir():
        return list({p.id: p for day in ("2026-06-01", "2026-06-02", "2026-06-03") for p in papers_of(day)}.values())
    body = PAPERS.read_bytes()
    return [paper_of(entry, entry.guid) for entry in parse("arxiv", body, source="samples")]


if __name__ == "__main__":
    harness.main("tests.benchmarks.mail", lambda quick: cases(200 if quick else 1000))
