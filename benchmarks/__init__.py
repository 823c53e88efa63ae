"""Side-by-side runs against what people use instead, on one machine, in one run.

Each benchmark is a module with ``run(bench: Bench) -> list[Row]``; each peer is a script in ``peers/``, run in an
environment of its own so that its dependencies change nothing that users install.
Both sides are whole processes, run in turn (A B A B ...), and quoted as medians: this keeps a ratio honest on a
machine whose speed drifts.
"""
