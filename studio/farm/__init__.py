"""Many machines: one frame over many of them, many frames over many more, with the bill known and the result exact."""
