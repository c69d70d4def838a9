"""Readings of athletes who consent, from the WHOOP Developer API v2."""
