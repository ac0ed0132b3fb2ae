"""What is looked at in a wheel or an image, one module for each thing. Put together by build/verify.py."""
