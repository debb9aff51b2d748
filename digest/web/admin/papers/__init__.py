"""Admin pages about the sources of papers, and the papers that readers propose."""

from digest.web.admin.papers import sources, submissions

ROUTERS = (sources.router, submissions.router)
