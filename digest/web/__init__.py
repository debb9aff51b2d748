"""The web pages, on FastAPI, and the API beside them.

    request ─▶ cache ─▶ security ─▶ app ─▶ public/ account/ admin/     handlers, one file for each page or subject
                                     │        └ auth, dependencies: who asks, and the posted form
                                     │        └ rendering ─▶ templates/web/*.html.j2, which see a record as `page`
                                     ├── feeds: responses that are no pages
                                     └── api/: for programs, an application of its own

app puts it together, server runs it in a thread, sessions holds both kinds of sessions, rate_limits all limits, and
background what runs after responses.
"""
