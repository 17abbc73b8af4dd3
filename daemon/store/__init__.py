"""The only room that speaks asyncpg: pool, migrations, embedded server, one module per table family."""
