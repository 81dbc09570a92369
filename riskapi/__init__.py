"""The reference risk service: it is told about a sign-in over HTTP and answers how risky it looks.

It knows nothing of the site that calls it; the contract is docs/risk-api.md.
"""
