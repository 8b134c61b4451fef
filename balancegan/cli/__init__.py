"""The command line. Start with ``commands``; nothing else of ours knows click."""
