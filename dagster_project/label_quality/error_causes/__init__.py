"""Error causes: groups of images whose labels are wrong more often than those of comparable images."""
