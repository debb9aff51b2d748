"""A subscriber's own pages: behind the links in their mails, and at /settings once they are signed in."""

from digest.web.account import address, data, digests, feed, pause_and_mute, settings

ROUTERS = (
    *(settings.router, settings.link_router, pause_and_mute.router, pause_and_mute.link_router),
    *(digests.router, digests.link_router, feed.router, feed.link_router),
    *(address.router, address.link_router, data.router),
)
