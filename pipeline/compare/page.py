"""The page of a comparison: the ranking, error against cost, next steps, and links to the report of each sweep.

The comparison itself is made by `sweeps.py` and `ranking.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.compare.next_steps import next_steps
from pipeline.compare.picture import picture
from pipeline.compare.ranking import Ranking
from pipeline.report.templating import asset, environment
from pipeline.report.words import values_in_words
from pipeline.store import Store
from pipeline.sweep.layout import compared_key


def write(ranking: Ranking, answers: Mapping[str, str], folder: Path) -> None:
    """Writes index.html and its style sheet; `answers` holds a sentence per sweep id.

    The page links each sweep's report in a folder named after its id.
    """
    links = {state.sweep.id: f"{state.sweep.id}/index.html" for state in ranking.comparison.states}
    (folder / "index.html").write_bytes(_page(ranking, answers, links, ""))
    (folder / "style.css").write_text(asset("style.css"), encoding="utf-8")


def save(ranking: Ranking, answers: Mapping[str, str], store: Store, store_option: str = "") -> str:
    """Writes the page into the store, with links to the sweeps' pages there; returns its key.

    `store_option` is `--store …` for commands, with a leading space, or empty. Raises InfrastructureError if the store
    fails.
    """
    ids = [state.sweep.id for state in ranking.comparison.states]
    links = {state.sweep.id: f"../../{state.sweep.page_key}" for state in ranking.comparison.states}
    store.write(compared_key(ids, "style.css"), asset("style.css").encode())
    store.write(compared_key(ids, "index.html"), _page(ranking, answers, links, store_option))
    return compared_key(ids, "index.html")


def _page(ranking: Ranking, answers: Mapping[str, str], links: Mapping[str, str], store_option: str) -> bytes:
    names = {ranked.state.sweep.id: ranked.name for ranked in ranking.places}
    text = (
        environment()
        .get_template("compared.html")
        .render(
            ranking=ranking,
            answers=answers,
            links=links,
            names=names,
            settings={
                ranked.state.sweep.id: values_in_words(ranked.state.sweep.definition, ranked.state.best.assignment)
                for ranked in ranking.places
                if ranked.state.best
            },
            objective=ranking.base.state.sweep.definition.objective,
            picture=picture(ranking),
            steps=next_steps(ranking, store_option),
        )
    )
    return text.encode("utf-8", errors="xmlcharrefreplace")
