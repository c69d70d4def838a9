"""Who plays above himself late in close games, and does last night matter: a model that may say no.

Data flow: marts ``player_game_shots``, ``player_game_contexts`` and ``pregame_baselines`` ->
:mod:`.data` -> :mod:`.refusals` -> :mod:`.statistics` (sums that do not grow with the games) ->
:mod:`.model` (PyMC) -> :mod:`.fit` (nutpie) -> :mod:`.gate` -> :mod:`.publish` (``model_output``).
:mod:`.validation` holds the fit against simulated worlds, unseen seasons and exact integration.
Method and measured quality: docs/methods/clutch_skill.md.
"""

SEED = 20231024
"""Of a fit's random numbers, unless another is asked for."""
