"""What runs for as long as the process does: inbox, worker, sweeper."""
