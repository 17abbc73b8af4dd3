"""All that knows Intervals.icu: `wire` for its language, `client` for its sockets."""
