-- name: count_tables()$
-- Reads the catalogue only.
SELECT count(*) FROM pg_tables WHERE schemaname = 'public';

-- name: count_users()$
-- Reads only; who comes later waits for the lock that a restore takes first.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'domestique';
