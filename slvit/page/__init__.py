"""The demo page: a photo and an expression in, a mask and the network's insides beside it."""

from slvit.page.layout import build_page, launch_options

__all__ = ["build_page", "launch_options"]
