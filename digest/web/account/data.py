"""The pages to unsubscribe, to download one's data and to have it erased."""

from dataclasses import dataclass

from pydantic_core import to_json
from starlette.responses import Response

from digest.subscribers.data_export import export_personal_data
from digest.web.auth import CurrentReader, find_still, reader_router
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import Left, attachment, partly_shown

router = reader_router("/settings")


@dataclass(frozen=True, slots=True)
class MyData:
    """What the page shows."""

    unsure: bool  # the checkbox was not ticked


@router.get("/data")
def show_data(context: Context) -> Response:
    """The page with the button for each."""
    return context.render("data.html.j2", MyData(unsure=False))


@router.get("/data/export")
def export_data(context: Context, reader: CurrentReader) -> Response:
    """Everything that is stored about the subscriber, as JSON."""
    with context.store.read() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in")
        data = export_personal_data(tx, context.membership, still.email)
    return attachment(to_json(data, indent=2) + b"\n", "application/json", "digest.json")


@router.post("/data")
def erase_data(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Erase the subscriber's data and sign them out, if the checkbox was ticked."""
    if "sure" not in form:
        return context.render("data.html.j2", MyData(unsure=True), status=422)
    signed_out = context.services.sessions.end()
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in", cookie=signed_out)
        context.membership.erase(tx, still.email, origin=f"page from {context.client}", now=context.now)
    context.run_after_response(context.store.erase_deleted_rows)  # may have to wait for readers of the database
    return context.render("erased.html.j2", headers={"Set-Cookie": signed_out})


@router.get("/leave")
def ask_to_leave(context: Context) -> Response:
    """Ask whether to unsubscribe."""
    return context.render("leave.html.j2")


@router.post("/leave")
def leave(context: Context, reader: CurrentReader) -> Response:
    """Unsubscribe the subscriber and sign them out. (The link in every mail works without signing in.)"""
    signed_out = context.services.sessions.end()
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in", cookie=signed_out)
        goodbye = context.membership.unsubscribe(tx, still, origin=f"page from {context.client}", now=context.now)
    page = Left(email=partly_shown(reader.email), goodbye=goodbye)
    return context.render("unsubscribed.html.j2", page, headers={"Set-Cookie": signed_out})
