"""The rule book: pure decisions, standard library only, no await and no I/O.

What a deployment is, what it may become, what to do next about it, what it costs and who may
ask. Everything here is a value or a function from values to values, so it is tested without a
database, a container or a clock.

Two axes: the API writes what is *desired* (and counts its orders in ``intent``), the reconciler
writes what *is* (``status``). ``plan()`` compares the two with what Podman shows and answers with
one step; the driver takes the step and asks again. One step rather than a list: after each act
the world has changed, and a list made before it would be a guess.
"""
