"""Folders of pictures side by side in one page for the browser."""
