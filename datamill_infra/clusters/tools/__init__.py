"""Providers that call a tool of their own: on this machine, or of a cloud."""
