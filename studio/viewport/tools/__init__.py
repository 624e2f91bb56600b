"""The tools of a viewport: selecting, moving, turning and lighting by hand, with no window system in them."""
