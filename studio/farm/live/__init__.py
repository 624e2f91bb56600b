"""Nodes that a live view borrows."""
