"""Admin pages about mails: the next digests, every delivery, and the templates."""

from digest.web.admin.sending import deliveries, next_digests, templates

ROUTERS = (next_digests.router, deliveries.router, templates.router)
