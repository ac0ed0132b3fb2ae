"""The command ``serving-client``: what a server has, what its models take, a prediction, and how fast it is."""
