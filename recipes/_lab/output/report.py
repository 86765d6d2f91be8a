"""A run -> its page, report.html, which holds all that it shows."""

import base64

from recipes._lab.output import pages, summary


def page(*, recipe, data, claims, figures, table, run):
    """Return the HTML of the page.

    Args:
        recipe: a `catalogue.Recipe`.
        data: display name of the data.
        claims: a list of `Claim`.
        figures: `{file name: PNG bytes}`.
        table: rows as from `summary.rows`, for all variants.
        run: the content of run.json.
    """
    return pages.render(
        "run.html",
        recipe=recipe,
        data=data,
        claims=claims,
        figures={file: base64.b64encode(png).decode() for file, png in figures.items()},
        columns=summary.COLUMNS,
        table=table,
        tuned=summary.tuned(run["tuned"]),
        run=run,
    )
