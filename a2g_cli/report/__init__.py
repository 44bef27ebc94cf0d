"""The report of a session: one HTML file that needs nothing else, for people to look at what practice brought.

``session.py`` and ``evaluation.py`` gather what is on disk into a ``Page``; ``page.py`` makes the file of it.

Why the charts are SVG from a template, and not from a plotting library: a script such as Plotly's has over 3 MB, more than
the videos of forty episodes, and shows nothing where scripts are off; Vega's compiles code, which the page's security policy
forbids. matplotlib's SVG has fixed colours, so a dark page would need every chart twice, and some 20 kB for each of many
small curves; it would have to be installed with every a2g. What is drawn here is points with intervals and polylines: they
take the page's colours, grow with the page, and cost a kilobyte each.
"""
