"""The studio: photographs mended and coloured by hand, on a page of one's own machine."""
