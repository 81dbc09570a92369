"""In the place of psycopg 3, which DBOS needs and which Django would take over the site's own psycopg2."""

raise ImportError("the site is measured with the driver that it requires")
