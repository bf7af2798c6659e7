"""The README claims no more than the runs hold.

A sentence that speaks of results must be one of `CLAIMS`, and what it claims must hold for the runs in git.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from judged_runs import runs_with

from active_dendrites.reports.reference_pages import BEGIN, END
from active_dendrites.reproduction.reference import read_rows
from active_dendrites.reproduction.reference_tables import judged_runs
from active_dendrites.reproduction.verdicts import DIFFERS, Comparison, compare
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, read_published

ROOT = Path(__file__).parents[3]
RESULTS = re.compile(
    r"reproduc|measured|baseline|\bdiffers?\b|\b(was|were|are|is) (also )?run\b|\bruns the baselines\b|times as fast"
)


def always(comparisons: Sequence[Comparison]) -> bool:
    """Of a sentence that says what is done, or what a word means, not what came out."""
    return True


def every_difference_is_explained(comparisons: Sequence[Comparison]) -> bool:
    return all(row.number.findings for row in comparisons if row.judgement.verdict == DIFFERS)


def figure_shows_its_models(comparisons: Sequence[Comparison]) -> bool:
    return {"prototype", "si_prototype", "xdg"} <= {row.number.variant for row in comparisons if row.ours}


def ratios_are_those_of_the_benchmark(comparisons: Sequence[Comparison]) -> bool:
    """The least and the greatest of the table on `docs/speed.md`."""
    table = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    ratios = [int(ratio) for ratio in re.findall(r"^\| \d+ \| [\d.]+ \| [\d.]+ \| (\d+) \|", table, re.MULTILINE)]
    return (min(ratios), max(ratios)) == (15, 650)


CLAIMS: dict[str, Callable[[Sequence[Comparison]], bool]] = {
    "One command trains all networks, those of the baselines that the paper quotes": always,
    "How much of it was run so far at full scale, and whether it agrees, is in the table.": always,
    "On a CPU, a training step is 15 to 650 times as fast as the textbook": ratios_are_those_of_the_benchmark,
    "![Accuracy by number of tasks, measured and published: active dendrites, alone": figure_shows_its_models,
    "*Reproduced*: two one-sided t-tests at 5 % place our mean within": always,
    "*Differs*: such a test places it outside.": always,
    "Each *differs* has its reason, found by an experiment.": every_difference_is_explained,
}


def unsupported(readme: str, comparisons: Sequence[Comparison]) -> list[str]:
    """The sentences on results that are none of `CLAIMS`, or whose claim does not hold."""
    before, _, rest = readme.partition(BEGIN)
    text = before + rest.partition(END)[2]
    text = re.sub(r"^(```.*?^```$|\|.*|#.*)$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)  # where links lead to
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    sentences = [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.!?]) ", paragraph)]
    wrong = []
    for sentence in filter(RESULTS.search, sentences):
        holds = next((holds for start, holds in CLAIMS.items() if sentence.startswith(start)), None)
        if holds is None or not holds(comparisons):
            wrong.append(sentence)
    return wrong


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return read_published(declarations)


@pytest.fixture(scope="module")
def comparisons(declarations: Declarations, published: Published) -> list[Comparison]:
    rows = read_rows(ROOT / "results/reference/runs.csv")
    return compare(declarations, published, PAPER, *judged_runs(declarations, published, rows))


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_claims_what_the_runs_hold(readme: str, comparisons: list[Comparison]) -> None:
    assert unsupported(readme, comparisons) == []


def test_its_first_sentences_say_what_a_task_is(readme: str) -> None:
    first = readme.split("\n\n")[1]
    assert "permutedMNIST" in first.partition("(")[0]
    assert "domain-incremental: a task is MNIST with its pixels in another fixed random order" in " ".join(
        first.split()
    )


@pytest.mark.parametrize(
    "claim",
    [
        "It also runs the baselines that the paper quotes from the literature.",
        "All published numbers were reproduced.",
        "A step is 2000 times as fast.",
    ],
)
def test_another_claim_is_noticed(readme: str, comparisons: list[Comparison], claim: str) -> None:
    assert unsupported(f"{readme}\n\nA sentence. {claim}\n", comparisons) == [claim]


def test_a_claim_that_no_longer_holds_is_noticed(declarations: Declarations, published: Published, readme: str) -> None:
    """Without runs of XdG and with a difference that nobody explained."""
    runs = runs_with("prototype", 25, [0.5, 0.501, 0.502]) + runs_with("si_prototype", 10, [0.97])
    wrong = unsupported(readme, compare(declarations, published, PAPER, runs))
    assert [sentence.split()[0] for sentence in wrong] == ["![Accuracy", "Each"]
