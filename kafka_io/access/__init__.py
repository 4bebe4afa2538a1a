"""How clients prove to Kafka who they are, and what it means when Kafka refuses them.

No client is made here and no setting is read. Begin with `security`.
"""
