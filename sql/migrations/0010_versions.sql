-- What another version of the algorithms made is found by its version, among millions of rows of this one.
CREATE INDEX activity_statistics_version ON activity_statistics (version);
CREATE INDEX activity_loads_version ON activity_loads (version);
