"""Photographs in packages of Python and Debian: found, downloaded, chosen and checked."""
