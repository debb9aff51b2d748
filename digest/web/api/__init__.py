"""The API, for programs: what the desk does, over JSON, for who has a token. A file a noun.

    access     who calls, by which token, and may they
    problems   what is answered where something cannot be done (RFC 9457)
    fields     texts, numbers, pages of results: what endpoints have in common
    document   the OpenAPI document, at /api/v1/openapi.json

Endpoints call the functions that the command line and the desk's pages call, so each change has its line in the audit
log. There are no cookies here, and so nothing that another site could forge.
"""
