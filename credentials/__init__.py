"""A connection goes in, signed access comes out. Imports config."""
