"""Fixtures that every suite shares, and where the outside data lies."""
