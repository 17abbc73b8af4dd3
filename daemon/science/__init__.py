"""Numbers in, numbers out: the training science, in numpy, without a clock or a socket."""
