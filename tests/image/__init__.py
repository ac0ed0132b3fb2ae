"""Tests of what goes into the image, and (marker ``docker``) of the image itself, running."""
