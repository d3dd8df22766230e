"""What an object is, read from its bytes: formats and their properties. Imports nothing of ours."""
