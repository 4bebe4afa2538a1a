"""What `make deployment` runs beside the tools that `requirements.txt` pins: the audit of packages, and the check of the SBOM.

These modules run in the project's Python; the tools have one of their own.
"""
