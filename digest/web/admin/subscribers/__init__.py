"""Admin pages about subscribers, suppressed addresses and bounces."""

from digest.web.admin.subscribers import bounces, importing, listing, subscriber, subscriber_form, suppressions

# In this order: /new, /export and /import come before /{id}.
ROUTERS = (
    *(listing.router, subscriber_form.router, importing.upload_router, importing.router),
    *(subscriber.router, suppressions.router, bounces.router),
)
