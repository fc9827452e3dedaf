"""Photos of a data set that cannot be read: each is named once, and too many of them stop the run."""

from __future__ import annotations

import sys

import torch

from slvit.errors import PhotoError


class TooManyBrokenError(ValueError):
    """More unreadable photos than a run puts up with."""


class BrokenPhotos:
    """Counts the unreadable ones among `photos` photos, together with all workers of the loader.

    limit: how many a run puts up with.
    """

    def __init__(self, photos: int, *, limit: int) -> None:
        self.limit = limit
        self.found = torch.zeros(photos, dtype=torch.bool).share_memory_()  # workers see each other's

    def note(self, photo: int, error: PhotoError) -> None:
        """Names photo number `photo` when it is met for the first time. Raises TooManyBrokenError beyond the limit."""
        if self.found[photo]:
            return
        self.found[photo] = True
        count = int(self.found.sum())
        print(f"unreadable photo {count} of at most {self.limit}: {error}", file=sys.stderr, flush=True)
        if count > self.limit:
            raise TooManyBrokenError(
                f"{count} photos cannot be read, the last: {error} Put them right, or allow more with --broken_photos."
            )
