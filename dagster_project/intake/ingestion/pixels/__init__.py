"""Pixel data to grey values as the header says, fitted into a square."""
