"""All that knows Strava: `wire` for its language, `client` for its sockets."""
