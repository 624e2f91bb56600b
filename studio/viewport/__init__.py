"""The realtime viewport: OpenGL 4.1 core through moderngl, with no window system in it."""
