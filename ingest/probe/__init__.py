"""Looking at one object: each depth beyond `list` has its file."""
