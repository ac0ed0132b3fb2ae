"""The images' scripts, run on this machine, and their pins."""
