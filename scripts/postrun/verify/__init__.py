"""What `make verify` checks, one module for each kind of check. Every check yields findings and
writes nothing.
"""
