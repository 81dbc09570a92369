"""The peers: other ways to have the same five steps done, each set up as its documentation says.

A peer is a module with ``enqueue(sign_in_id)``, which hands a sign-in's workflow to it. domain.py has the steps, the
same for all; settings.py what each is told; apps.py puts a peer in the place of the site's own workflow. Their
packages are in requirements-bench.txt, and nothing imports them but the module of the peer itself.
"""
