"""Chats: agents whose turns run in threads of their own, and what there is to show of them."""
