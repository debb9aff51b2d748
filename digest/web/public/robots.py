"""What search engines may look at."""

from dataclasses import dataclass

from digest.web.context import Site
from digest.web.pages import Document, Visit


@dataclass(frozen=True, slots=True)
class Robots:
    """The file at /robots.txt (RFC 9309), of use where the pages are at the root of their host."""

    site: Site

    def look(self, _visit: Visit) -> Document:
        """GET. Pages behind signed links are not named here: they say themselves that they are not to be shown."""
        kept_out = f"{self.site.path}/search" if self.site.indexed else "/"  # answers without end
        return Document(content=f"User-agent: *\nDisallow: {kept_out}\n", media_type="text/plain")
