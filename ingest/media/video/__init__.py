"""Films, and the containers that sound shares with them: what their headers say."""
