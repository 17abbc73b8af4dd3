"""A Strava on one's own machine: for developers, for the demo, for tests and benches.

It imports nothing from `daemon`: a fake that shares the daemon's parser would prove nothing.
"""
