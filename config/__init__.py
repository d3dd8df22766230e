"""What the operator sets, and what can go wrong. Imports nothing of ours."""
