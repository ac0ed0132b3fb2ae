"""The life of a server process: its start, versions that come and go, its drain and its end."""
