"""What the commands print for people: one file a group of commands, and what the terminal asks of all of them."""
