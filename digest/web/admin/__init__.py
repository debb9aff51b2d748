"""The pages of admins and editors."""

from digest.web.admin import deliveries, papers, templates, today, tokens_and_log
from digest.web.admin.profiles import editor, listing_and_history, test_mail
from digest.web.admin.subscribers import bounces_and_suppressions, importing, listing, subscriber
from digest.web.auth import sign_in_router, sign_out_router

# In this order: /new, /export and the like come before /{id}.
ROUTERS = (
    *(sign_in_router, sign_out_router, today.router, tokens_and_log.log_router, tokens_and_log.tokens_router),
    *(editor.query_router, listing_and_history.router, test_mail.router, editor.preview_router, editor.router),
    *(listing.router, importing.upload_router, importing.router, subscriber.router),
    *(bounces_and_suppressions.suppressions_router, bounces_and_suppressions.bounces_router),
    *(today.next_router, deliveries.router, templates.router, papers.sources_router, papers.submissions_router),
)
