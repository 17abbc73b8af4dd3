"""What athletes and operators look at: templates, and the files that a page loads, all from here."""
