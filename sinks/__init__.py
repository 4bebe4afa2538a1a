"""ClickHouse: the projection of the log `credit-movements` that can be asked questions.

Everything here can be thrown away and rebuilt from the log; a row that is written twice counts once. Nothing here computes an
amount. Begin with `write.loop`, for questions with `read.movements`.
"""
