"""Engines: what continues a conversation, in this process, in vLLM or on a server."""
