"""From pixel data to grey values according to the header, fitted into a square."""
