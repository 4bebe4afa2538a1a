"""ClickHouse: `write` fills it from the log `credit-movements`, `read` asks it questions.

All that lies there is a projection of the log and can be rebuilt from it. Nothing here rates. Begin with `write.loop`.
"""
