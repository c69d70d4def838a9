"""Local HTTP servers that behave like the services, for the demo and for tests."""
