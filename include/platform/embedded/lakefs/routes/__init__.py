"""The published API, one module per resource.

Routes are thin: they read the request, call the repository and convert the result. Everything that is not
supported is answered with 501, never with a wrong 200.
"""
