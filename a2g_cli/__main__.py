"""``python -m a2g_cli`` is ``a2g``."""

from a2g_cli.cli.app import main

main()
