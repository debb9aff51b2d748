"""The pages for everyone, also behind signed links."""

from digest.web.public import (
    confirm,
    editions,
    paper,
    preview,
    profiles,
    propose,
    search,
    sign_in,
    subscribe,
    unsubscribe,
)

ROUTERS = (
    *(editions.router, paper.router, profiles.router, search.router, preview.router, propose.router),
    *(subscribe.router, confirm.router, sign_in.router, sign_in.sign_out_router, unsubscribe.router),
)
