"""Whatever readers propose becomes the one address of the paper."""

import pytest

from digest.sources.arxiv import id_of_url
from digest.sources.paper_page import canonical_url

ARXIV = "https://arxiv.org/abs/2504.17830"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("2504.17830", ARXIV),
        ("2504.17830v3", ARXIV),
        ("arXiv:2504.17830", ARXIV),
        ("arXiv: 2504.17830v1", ARXIV),
        ("10.48550/arXiv.2504.17830", ARXIV),
        ("https://doi.org/10.48550/arXiv.2504.17830", ARXIV),
        ("http://export.arxiv.org/pdf/2504.17830v2.pdf", ARXIV),
        ("https://huggingface.co/papers/2504.17830?x=1#top", ARXIV),
        ("math.PR/0211159", "https://arxiv.org/abs/math.PR/0211159"),
        ("10.1101/2026.06.01.X", "https://doi.org/10.1101/2026.06.01.x"),
        ("doi:10.1000/A(b)c", "https://doi.org/10.1000/a(b)c"),
        ("http://dx.doi.org/10.1000/ab", "https://doi.org/10.1000/ab"),
        ("HTTPS://Example.ORG:443/Paper?id=1#abstract", "https://example.org/Paper?id=1"),
        ("http://example.org:8080", "http://example.org:8080/"),
        ("https://example.org./x", "https://example.org/x"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://example.org/abs/2504.17830", "https://example.org/abs/2504.17830"),
    ],
)
def test_each_way_to_write_it_is_the_same_address(written: str, url: str) -> None:
    assert canonical_url(f" {written}\n") == url
    assert canonical_url(url) == url


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a paper on cats",
        "example.org/paper",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https://@example.org/",
        "https://example.org/a b",
        "https://example.org\\@localhost/",
        "https://example.org/\x00",
        "https://example.org:99999/",
        "https://[::1/",
        "http://localhost/",
        "http://sub.localhost/",
        "http://printer.local/",
        "http://intranet/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0x1/",
        "http://[::1]/",
        "http://[2001:db8::1]/",
        "http://10.0.0.1:8000/",
        "http://192.0.2.1./",
        "https://example..org/",
        "https:///x",
        "https://example.org/" + "x" * 481,
        "https://example.org/" + "ä" * 100,
    ],
)
def test_an_address_that_is_not_public_is_refused(written: str) -> None:
    assert canonical_url(written) == ""


def test_only_canonical_arxiv_urls_have_an_arxiv_id() -> None:
    assert id_of_url(ARXIV) == "2504.17830"
    assert id_of_url("https://example.org/abs/2504.17830") == ""
