"""BI tools as they are: what one sends, and a real one to try (``python -m tests.bi_clients``)."""
