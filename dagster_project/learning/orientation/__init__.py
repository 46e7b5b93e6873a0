"""Orientation: images that are turned by right angles or inverted, compared with the site's other images."""
