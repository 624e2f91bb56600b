"""Who may come in, what they may see, and what of theirs counts."""
