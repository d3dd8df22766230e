"""Sound without pictures: what its headers say."""
