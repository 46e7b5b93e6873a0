"""The commands of `raytruth`, a file for each part of the work."""
