"""How a farm and its jobs stand, for whoever watches."""
