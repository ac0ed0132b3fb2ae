"""What the server is measured against: the barest loops that answer at all, and what tutorials show.

None of them is a server to use: they check nothing, count nothing and serve one model.
"""
