"""The pages of admins and editors."""

from digest.web.admin import deliveries, log, papers, templates, today, tokens
from digest.web.admin.profiles import editor, history, listing, test_mail
from digest.web.admin.subscribers import bounces_and_suppressions, importing, subscriber
from digest.web.admin.subscribers import listing as subscriber_listing
from digest.web.auth import sign_in_router, sign_out_router

# In this order: /new, /export and the like come before /{id}.
ROUTERS = (
    *(sign_in_router, sign_out_router, today.router, log.router, tokens.router),
    *(editor.query_router, history.router, listing.router, test_mail.router, editor.preview_router, editor.router),
    *(subscriber_listing.router, importing.upload_router, importing.router, subscriber.router),
    *(bounces_and_suppressions.suppressions_router, bounces_and_suppressions.bounces_router),
    *(today.next_router, deliveries.router, templates.router, papers.sources_router, papers.submissions_router),
)
