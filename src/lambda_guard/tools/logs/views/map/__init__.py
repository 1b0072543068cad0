"""The map of a system as a picture: an SVG that needs nothing else, alone or in the page."""
