"""What becomes of an athlete's data: where they can be, and how all of them go.

:mod:`.places` reads the register of every table (``places.csv``) and folder that can hold something
of a person; :mod:`.erasure` takes a person's rows out of them and out of the server's files;
:mod:`.withdrawal` does that in the order that leaves nothing behind, and goes on after a crash.
"""
