"""A lifelike history of a site, for demonstrations and for figures of scale: `python manage.py simulate`.

It is made, not measured: nobody's sign-ins are in it. Whoever appears has an address at example.com and no password,
and all networks are those that are kept for examples and for carriers (RFC 2544, RFC 3849, RFC 6598). What happens to a
sign-in follows the site's own rules of devices and the reference risk service's points (riskapi/rule.py).
"""
