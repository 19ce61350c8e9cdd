"""Characters and their states: read off images, and evidence of images for what is written."""
