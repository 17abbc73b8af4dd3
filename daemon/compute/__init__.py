"""CPU work in one spawned process, so that the event loop never feels it."""
