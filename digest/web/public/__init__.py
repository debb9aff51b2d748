"""The pages for everyone, also behind signed links."""

from digest.web.public import editions_and_profiles, paper, search_and_preview, sign_in, site, subscribe_and_unsubscribe

ROUTERS = (
    *(site.front_router, editions_and_profiles.router, paper.router, paper.propose_router, search_and_preview.router),
    *(subscribe_and_unsubscribe.router, subscribe_and_unsubscribe.unsubscribe_router),
    *(sign_in.router, sign_in.sign_out_router),
)
