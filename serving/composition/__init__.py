"""Everything that a server is made of, built from its settings and connected; ``server.py`` gives it its life."""
