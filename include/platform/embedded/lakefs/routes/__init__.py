"""The published API, one module for what it serves. Routes are thin: read the request, ask, shape the answer.

What no route takes is answered with 501, and never with a wrong 200.
"""
