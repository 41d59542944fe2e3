"""The front door: the only TCP listener. By host name it relays to a deployment or to the API.

A client's connection is a ``Connection`` (``connection.py``); it reads one head at a time
(``head.py``, strict), asks the ``Directory`` (``directory.py``) what the host name leads to, and
relays the body and the answer as bytes over an upstream connection that belongs to this client
alone, so no request can end up in another client's. A connection that has named one host never
gets to another. TLS is taken off by ``sealed.py``, below the connection. ``seams.py`` holds what
is handed in: who may pass (``Gate``), what is said when there is nothing to relay to (``Pages``),
certificates (``Certificates``), and waking (``Waker``). Raw TCP has listeners of its own
(``raw.py``).

Two bulkheads, beside the engine's and the API's: strangers decide what a connection meets, and a
task of the door lives in the group that holds everything. An error nobody foresaw, of one raw
connection whose client had gone, once ended the whole appliance.
"""
