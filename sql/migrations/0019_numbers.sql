-- Numbers by which what is out of date is told are given once: a row that is deleted and made anew goes on where the
-- sequence stands, so that whoever began with the old row never takes the new one for his own.

CREATE SEQUENCE credentials_versions OWNED BY credentials.version;
SELECT setval('credentials_versions', max(version)) FROM credentials HAVING max(version) > 0;
ALTER TABLE credentials ALTER COLUMN version SET DEFAULT nextval('credentials_versions');

CREATE SEQUENCE intervals_syncs OWNED BY intervals_credentials.syncs;
SELECT setval('intervals_syncs', max(syncs)) FROM intervals_credentials HAVING max(syncs) > 0;
ALTER TABLE intervals_credentials ALTER COLUMN syncs SET DEFAULT nextval('intervals_syncs');
