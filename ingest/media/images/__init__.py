"""Pictures: what their headers say."""
