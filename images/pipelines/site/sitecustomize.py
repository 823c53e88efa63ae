"""Every Python of the image runs this before anything else: less looking for garbage where there is none.

A step is a process of its own, and most of what it does is to import what its neighbours import, too. None of that is
ever garbage; walking through it, again and again and once more on the way out, is a quarter of the processor time.
"""

import atexit
import gc

gc.set_threshold(100_000)  # allocations between two looks; Python's own 700 suit programs that stay small
atexit.register(gc.freeze)  # what is left goes with the process
