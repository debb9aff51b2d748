"""The pages, on Starlette. A page is a plain function: what it was asked with in, what to show out.

    request ─▶ cache ─▶ security ─▶ app ─▶ door ─▶ public/…       a file a page: looks things up, acts, says what
                 │                          │      subscriber/…   to show; the same for who is signed in
                 └ what is for everybody,   │      admin/…        and for who looks after it (desk says who that is)
                   as it was sent before    ├── pages ─▶ templates/web/*.html.j2, with what context holds
                                            └── feeds, references: what is no page

api/ is for programs: an application of its own, on FastAPI, that is loaded only where pages are served.

routes says which path is which page. server runs it all in a thread, clients says who asked, sessions who is signed in,
holders whose link it is, limits how often strangers may have a mail sent, afterwards does what answers do not wait for.
"""
