"""Documents, archives, tables and text: what their headers and ends say."""
