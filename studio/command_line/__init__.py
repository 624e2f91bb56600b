"""The commands of the command line, one module each; `studio.cli` finds them by name."""
