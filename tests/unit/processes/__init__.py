"""Tests of the supervisor's decisions and of what workers share."""
