"""How good the model is: simulated leagues, seasons it has not seen, exact integration.

Every check is a function that gives a result back; :mod:`.record` keeps results with what they were
made by in docs/methods/clutch_skill_validation.json and writes the page from it. The commands are
``clutch skill ...``.
"""
