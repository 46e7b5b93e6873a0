"""Groups of images whose labels are wrong more often than comparable ones."""
