"""HTTP only: a handler parses, asks the engine, renders; it holds no rule.

``routes.py`` is the whole API on one screen; each route names its policy, and an app with one
that does not is not made. ``call.py`` reads a request, ``problems.py`` words every error alike,
``render.py`` shows what the engine answers, ``openapi.py`` describes all of it from the same table
and the same models. Answers are rendered by hand: building a model for each of twenty rows
of a list costs more than the query.
"""
