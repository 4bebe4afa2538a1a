"""The commands for prices: `rates lint|publish` in `decks`, `rates diff` in `diff`, and the app that both belong to.

They read options and print; the work is in `publishing` and `whatif`. Begin with `decks`.
"""
