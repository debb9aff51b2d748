"""The JSON API for programs that have a token: what admins do on the web, one file for each noun.

    access     authentication, and what endpoints work with
    problems   error responses (RFC 9457)
    fields     types of request and response fields, pages of results

Endpoints call the functions of digest/admin, as commands and pages do, so each change is in the audit log. There are no
cookies, and so nothing that another site could forge.
"""
