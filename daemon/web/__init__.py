"""The HTTP server: webhook receiver and health."""
