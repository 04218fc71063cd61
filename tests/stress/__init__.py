"""The service under load and faults, for three minutes: `make stress`.

Whole nights, single epochs, slow uploads, clients that leave, bad files and floods at once; then a scorer, a worker
and the proxy are killed, and the adapter is changed, a broken one among them. Every answer is held to that of
offline scoring.
"""
