"""The log and the limits of the machine."""
