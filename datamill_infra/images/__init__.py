"""Building the images of ``images/``: the context of each, and the tool that builds it.

A Dockerfile there only copies. What it copies is gathered here, from the same lock files that the embedded driver and
the installation use, so that an image holds exactly what runs on a machine without containers. ``docker``, ``podman``
and ``buildah`` build it alike. In the lab the base is made from the distribution's packages: nothing can be pulled.
"""
