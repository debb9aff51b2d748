"""Why a subscriber got a paper, or did not."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from digest.explain import Place, Verdict, explain
from digest.models import DeliveryState
from digest.web.api import people
from digest.web.api.access import ReadsSubscribers
from digest.web.api.fields import Id, a_router
from digest.web.api.problems import responses

router = a_router("subscribers")


class Asked(BaseModel):
    """About which paper."""

    model_config = ConfigDict(extra="forbid")

    paper: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")] = Field(
        description="Its id, or a link with one.", examples=["arxiv:2504.17830"]
    )


class Standing(BaseModel):
    """Where the paper stands in a digest of theirs."""

    slot_at: datetime
    section: str
    score: float
    rules: list[str]
    number: int = Field(description="Among what did not fit, from 1; 0 where it is shown.")
    shown: int = Field(description="How many papers that digest has.")
    delivery: int = Field(description="Its number; 0 for a digest to come.")
    state: DeliveryState | None


class Explanation(BaseModel):
    """Whether somebody got a paper, and why."""

    verdict: Verdict
    answer: str = Field(description="The verdict in plain words.")
    paper: str
    title: str
    facts: list[str] = Field(description="What it rests on, in the order in which it was decided.")
    place: Standing | None


@router.get("/subscribers/{id:number}/explain", responses=responses(404))
def explain_paper(call: ReadsSubscribers, id: Id, asked: Annotated[Asked, Query()]) -> Explanation:  # noqa: A002
    """Why somebody got a paper, or did not, or will."""
    app = call.app
    with call.store.read() as tx:
        found = explain(
            tx,
            people.get(tx, id).email,
            asked.paper,
            compiled_profiles=app.compiled_profiles,
            selection_settings=app.selection_settings,
            membership=app.membership,
            now=call.now,
        )
    return Explanation(
        verdict=found.verdict,
        answer=found.answer,
        paper=found.paper,
        title=found.title,
        facts=list(found.facts),
        place=None if found.place is None else _standing(found.place),
    )


def _standing(place: Place) -> Standing:
    return Standing(
        slot_at=place.slot_at,
        section=place.section,
        score=round(float(place.score), 3),
        rules=list(place.rules),
        number=place.number,
        shown=place.shown,
        delivery=place.delivery,
        state=place.state,
    )
