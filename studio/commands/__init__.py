"""What a person can ask the studio to do: commands, their keys, and the studio that they act on. No Qt in it."""
