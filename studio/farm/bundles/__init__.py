"""What travels to nodes: the files of a project under the hashes of their bytes, sent once, kept where they arrive."""
