"""The pages of admins and editors."""

from digest.web.admin import log, papers, profiles, sending, sign_in, subscribers, today, tokens

ROUTERS = (
    *(sign_in.router, sign_in.sign_out_router, today.router, log.router, tokens.router),
    *(*profiles.ROUTERS, *subscribers.ROUTERS, *sending.ROUTERS, *papers.ROUTERS),
)
