"""A page that makes images in the visitor's own browser: a static site for any host."""

from ganzoo.web.site import Site as Site
from ganzoo.web.site import write_site as write_site
