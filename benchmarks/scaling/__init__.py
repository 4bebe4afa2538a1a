"""More than one rater and more than one sink, on three brokers with TLS, passwords and three copies of each record.

All of it shares the processors of one machine, so events/s show where these end. Processor time an event is what any machine
needs. Begin with `__main__`.
"""
