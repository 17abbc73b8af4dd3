"""Pure decisions: no I/O, no clock, no randomness. Takes `now`, returns frozen values."""
