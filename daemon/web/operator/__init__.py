"""What an operator sees and does: the overview, the queue, the athletes, and the pages that show them."""
