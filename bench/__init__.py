"""One file per claim of speed; each prints its figures and ends by itself."""
