"""``python -m serving.client``: the command ``serving-client``."""

from serving.client.terminal.main import command

command()
