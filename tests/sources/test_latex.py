"""LaTeX is replaced by characters where that is safe, and left unchanged elsewhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.sources import parse
from digest.sources.latex import unlatex
from tests.builders import RECORDINGS, needs_recordings


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"Schr\"odinger, Schr\"{o}dinger, Schr{\"o}dinger", "Schrödinger, Schrödinger, Schrödinger"),
        (r"Poincar\'e, \'Etale, na\"{\i}ve, S\~ao", "Poincaré, Étale, naïve, São"),
        (r"Erd\H{o}s, Ho\v{r}ava, Fran\c cois, \AA{}ngstr\"om", "Erdős, Hořava, François, Ångström"),
        (r"{\O}rsted, \L ukasz, Stra\ss e, Gau{\ss}", "Ørsted, Łukasz, Straße, Gauß"),
        (r"$\alpha$-stable", "α-stable"),
        (r"$x<y$ and $y>z$", "x<y and y>z"),
        (r"$\mathcal{O}(n \log^2 t)$ and \(n \to \infty\)", "O(n log² t) and n → ∞"),
        (r"$512 \times 512$ at $5\times$, $\sim$5 $\pm 0.3\%$", "512 × 512 at 5×, ~5 ± 0.3%"),
        (r"$F_1$, $P_{\mathrm{pair}}$, $H_2O$, $x^{d-1}$", "F₁, P_pair, H₂O, xᵈ⁻¹"),
        (r"$\frac{1}{2}$ of $\sqrt{n}$, $\mathbb{R}^2$ at $90^\circ$", "1/2 of √n, ℝ² at 90°"),
        (r"$T \in \{0.3, 0.8\}$", "T ∈ {0.3, 0.8}"),
        (r"\textbf{Deep \emph{nets}} gain 5\% \& more", "Deep nets gain 5% & more"),
        (r"code: \url{https://x.org/a}, \href{https://x.org}{here}", "code: https://x.org/a, here"),
        ("``quoted''", "“quoted”"),
    ],
)
def test_safe_latex_is_shown_as_characters(written: str, shown: str) -> None:
    assert unlatex(written) == shown


@pytest.mark.parametrize(
    "text",
    [
        "50% gain",
        "p < 0.05 & q",
        "]]>",
        "costs $5 and $10 more",
        "from $5$10 to $7",
        r"C:\temp\new",
        r"as in \cite{knuth84}",
        r"our \method{} wins",
        r"$\widetilde{O}(k)$",
        r"$\binom{n}{2}$",
        r"$e^{x^{2}}$ is left whole",
        "`code` and snake_case and a^b",
        "{" * 2000,
        "$" * 99,
        "\\" * 999,
        r"\k{appa}",
    ],
)
def test_other_latex_stays_as_written(text: str) -> None:
    assert unlatex(text) == text


def test_a_formula_changes_as_a_whole_or_not_at_all() -> None:
    assert unlatex(r"$\alpha + \unknown$ and $\beta$") == r"$\alpha + \unknown$ and β"


@given(st.text(alphabet="\\{}$^_`'\" abc123%&α", max_size=80))
def test_nothing_fails_whatever_it_holds(text: str) -> None:
    assert "\ue000" not in unlatex(text)


@pytest.mark.parametrize("piece", [r"$\alpha", r"\textbf{", r"\frac{1}{", "${", r"\(", r"\'{", "``", r"\href{a}{"])
def test_the_work_grows_with_the_text_and_no_faster(piece: str) -> None:
    assert len(unlatex(piece * 20_000)) >= 20_000  # minutes, were it squared


def test_the_original_is_kept_beside() -> None:
    abstract = "word " * 70 + r"$\alpha$"
    (entry,) = parse("text", f"Header\n\nThe $\\beta$ title\n\n{abstract}".encode(), source="s")
    assert (entry.title, entry.title_source) == ("The β title", r"The $\beta$ title")
    assert (entry.abstract, entry.abstract_source) == ("word " * 70 + "α", abstract)
    (entry,) = parse("text", ("T\n" + "word " * 70).encode(), source="s")
    assert (entry.title_source, entry.abstract_source) == ("", "")


@needs_recordings
def test_of_a_real_day_hardly_any_latex_is_left() -> None:
    """Of all the formulas and macros in a day's abstracts; what is left is mostly the authors' own macros."""
    with (RECORDINGS / "arxiv/listings/2026-06-03.jsonl").open(encoding="utf-8") as lines:
        texts = {paper["id"]: paper["summary"] for paper in map(json.loads, lines)}.values()
    before = sum("\\" in text or text.count("$") > 1 for text in texts)
    after = sum("\\" in shown or shown.count("$") > 1 for shown in map(unlatex, texts))
    assert before >= 50
    assert after < before / 3
