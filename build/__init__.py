"""The image builder's room: what makes the images and what goes into them. Never imports the server."""
