"""What the queue can be asked to do, one module per kind."""
