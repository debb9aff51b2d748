"""Admin pages about shared profiles, for admins and editors."""

from digest.web.admin.profiles import editor, history, listing, query, test_mail

# In this order: /new, /query, /removed and the like come before /{id}.
ROUTERS = (
    *(query.router, history.router, listing.router, test_mail.router),
    *(editor.preview_router, editor.router),
)
