"""ClickHouse: the projection of the log `credit-movements` that can be asked questions.

Everything here can be thrown away and rebuilt from the log; a row written twice counts once.
"""
