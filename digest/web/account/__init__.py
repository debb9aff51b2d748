"""A subscriber's own pages: behind the links in their mails, and at /settings once they are signed in."""

from digest.web.account import address_and_data, digests, pause_and_mute, settings

ROUTERS = (
    *(settings.router, settings.link_router, pause_and_mute.router, pause_and_mute.link_router),
    *(digests.router, digests.link_router, address_and_data.router, address_and_data.link_router),
)
