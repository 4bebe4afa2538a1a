"""What others would write to rate the same events: the same work by other stream processors, to stand beside the rater.

Each is one file, run as a process by a Python of its own (`requirements.txt`); none imports anything of the product. They
share `rating`, plain Python a message at a time, and `job`, the bytes around it, so that stream processing is what is compared.
None looks for duplicates, refuses a bad message or works in transactions. Begin with `plain_loop`.
"""
