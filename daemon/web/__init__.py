"""The page: static files of the user interface, which talks to the HTTP API from the browser."""

from daemon.web.routes import is_page, page_router

__all__ = ["is_page", "page_router"]
