"""Chats: agents whose turns run in threads of their own, and transcripts of these turns."""
