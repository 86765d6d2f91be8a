"""`python -m recipes`: see `_lab/cli.py`."""

from recipes._lab.cli import main

main()
