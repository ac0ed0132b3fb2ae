"""The benchmark behind `make bench`: our server and named baselines under the same load, side by side in one run.

Its own tests (`test_*.py`) put no load on anything.
"""
