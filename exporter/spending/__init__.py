"""What an account has spent, and what is left: questions as texts, answers for JSON. Web pages and commands share them.

Nothing here knows HTTP. Begin with `question`.
"""
