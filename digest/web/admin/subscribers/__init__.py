"""Admin pages about subscribers, suppressed addresses and bounces."""

from digest.web.admin.subscribers import bounces, importing, listing, subscriber, suppressions

# In this order: /new, /export and /import come before /{id}.
ROUTERS = (
    *(listing.router, importing.upload_router, importing.router),
    *(subscriber.router, suppressions.router, bounces.router),
)
