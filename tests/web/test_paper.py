"""A page for each paper, and its references."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import AnnounceType
from digest.store import papers
from digest.web.papers import paper_path
from tests.builders import a_paper, an_entry, at
from tests.mail.samples import PAPER
from tests.web.html import faults_of
from tests.web.papers import HOSTILE, add_key, merge_papers, publish_papers, record_sighting


def lines(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_paper_has_all_that_is_known_of_it(app: App, site: TestClient) -> None:
    publish_papers(app, PAPER)
    record_sighting(app, PAPER, "arxiv-ml")
    record_sighting(app, PAPER, "hf", days_later=1, announce_type=AnnounceType.REPLACE_CROSS)
    page = site.get("/paper/arxiv:2606.00001").text
    said = lines(page)
    assert "Low-precision training of audio–visual nets &amp; friends" in said.replace("&#8211;", "–")
    assert "A. Author, B. Author, C. Author, D. Author" in said
    assert said.count("We train with low precision") == 3
    assert 'href="https://arxiv.org/pdf/2606.00001"' in page
    assert "arxiv-ml new Jun 3, 2026 hf updated, cross-listed Jun 4, 2026" in said
    for link in ("/papers/2026-06-03", "/bibtex/arxiv:2606.00001", "/ris/arxiv:2606.00001"):
        assert f'href="{link}"' in page
        assert site.get(link).status_code == 200


@pytest.mark.parametrize("place", ["paper", "bibtex", "ris"])
def test_another_name_of_a_paper_leads_to_the_one_that_stays(app: App, site: TestClient, place: str) -> None:
    older, younger = a_paper("Older", id="arxiv:1"), a_paper("Younger", id="doi:10.1/a(b)<c>")
    publish_papers(app, older, younger)
    add_key(app, older, "title:abcdef012345")
    merge_papers(app, younger.id, older.id)
    for name in ("doi:10.1/a(b)%3Cc%3E", "title:abcdef012345"):
        answer = site.get(f"/{place}/{name}")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/{place}/arxiv:1")
    assert site.get(f"/{place}/arxiv:1").status_code == 200


@pytest.mark.parametrize(
    "path", ["/paper/", "/paper/arxiv:9", "/paper/%00", "/paper/x%0d%0aSet-Cookie:%20a=b", "/paper"]
)
def test_an_unknown_paper_is_not_found(app: App, site: TestClient, path: str) -> None:
    assert site.get(path).status_code == 404


def test_a_paper_of_any_kind_has_a_valid_page(app: App, site: TestClient) -> None:
    kinds = [HOSTILE, a_paper("مرحبا بالعالم"), a_paper("0"), a_paper("x" * 5000, "y" * 100_000), a_paper(" a/b//c#?")]
    publish_papers(app, *kinds)
    record_sighting(app, HOSTILE, "<b>feed</b>")
    for paper in kinds:
        answer = site.get(paper_path(paper.id))
        assert answer.status_code == 200
        assert faults_of(answer.text) == []
        assert "<script" not in answer.text
        assert not re.search(r'href="(?!/|https?://|mailto:|#main)', answer.text)
        assert not set(answer.text) & set("\0\x0b\x1b\u202e\u2066\ufeff\ufffe\uffff\ufdd0")


def test_a_reference_is_a_file_named_after_its_paper(app: App, site: TestClient) -> None:
    publish_papers(app, HOSTILE, PAPER)
    bib, ris = site.get("/bibtex/arxiv:2606.00001"), site.get("/ris/arxiv:2606.00001")
    assert bib.headers["Content-Type"] == "application/x-bibtex; charset=utf-8"
    assert bib.headers["Content-Disposition"] == 'attachment; filename="arxiv-2606.00001.bib"'
    assert ris.headers["Content-Type"] == "application/x-research-info-systems; charset=utf-8"
    assert ris.headers["Content-Disposition"] == 'attachment; filename="arxiv-2606.00001.ris"'
    hostile = site.get(paper_path(HOSTILE.id).replace("/paper/", "/ris/"))
    assert hostile.headers["Content-Disposition"] == 'attachment; filename="doi-10.1-b-.ris"'


def test_a_paper_that_has_no_page_elsewhere_is_cited_by_its_page_here(app: App, site: TestClient) -> None:
    publish_papers(app, a_paper("A", published_at=at("2025-02-03")))
    assert "url = {https://digest.example.org/paper/test:A}" in site.get("/bibtex/test:A").text


def test_a_paper_was_seen_on_the_date_of_its_edition(open_site: Callable[..., TestClient], tmp_path: Path) -> None:
    site = open_site('[newsletter]\ntimezone = "Asia/Tokyo"\n')
    with App.open(tmp_path / "config.toml") as app:
        publish_papers(app, PAPER, on="2026-06-04")
        with app.store.write() as tx:
            papers.record_sightings(tx, "hf", [(an_entry(), PAPER.id)], now=at("2026-06-03 20:00"))
    assert "hf new Jun 4, 2026" in lines(site.get("/paper/arxiv:2606.00001").text)
