"""A subscriber's own pages: behind the links in their mails, and at /settings once they are signed in."""

from digest.web.account import address_and_data, digests, settings_pause_mute

ROUTERS = (
    *(settings_pause_mute.router, settings_pause_mute.link_router, digests.router, digests.link_router),
    *(address_and_data.router, address_and_data.link_router),
)
