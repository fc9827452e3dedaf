"""Freed memory stays with the process, so that each step finds the last one's."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc's malloc not to give large blocks back to the system; False where another library allocates.

    Otherwise a training step gets its activations, some of them above 20 MB, from the system and faults them in page
    by page each time: about a tenth of a step of the preset tiny on two cores. The process then holds on to the most
    that it ever had, which a server should not. See mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_TOP_PAD, 256 << 20)]
    return all(taken)
