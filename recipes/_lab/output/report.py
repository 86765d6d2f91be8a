"""A run -> its page, report.html, which holds all that it shows."""

import base64

from recipes._lab.output import pages, summary, understanding


def page(*, recipe, data, claims, figures, table, run, understood=None):
    """Return the HTML of the page.

    Args:
        recipe: a `catalogue.Recipe`.
        data: display name of the data.
        claims: a list of `Claim`.
        figures: `{file name: PNG bytes}`.
        table: columns and rows as from `summary.table`, for all variants.
        run: the content of run.json.
        understood: what was understood of a user's table, a `data.Understood`; or None.
    """
    return pages.render(
        "run.html",
        recipe=recipe,
        data=data,
        claims=claims,
        figures={file: base64.b64encode(png).decode() for file, png in figures.items()},
        columns=table[0],
        table=table[1],
        tuned=summary.tuned(run["tuned"]),
        run=run,
        facts=understanding.facts(understood) if understood else [],
        data_columns=understanding.COLUMNS,
        data_rows=understanding.column_rows(understood) if understood else [],
    )
