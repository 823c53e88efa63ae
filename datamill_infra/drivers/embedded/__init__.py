"""Components as supervised processes of this machine, on loopback, without root.

What lives here: ports, secrets, server artifacts, programs and the one door to supervisord.
What does not: what a component *is* (``catalogue/<component>/embedded.py``) and what its protocol says
(:mod:`datamill_infra.capabilities`).
"""
