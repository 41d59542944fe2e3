-- A page is found by its index alone, also behind thousands of rows that are skipped: what the index
-- leaves out has to be told by it, or each row skipped is looked up to see that it is not deleted.
-- (Of one status a page is not: where SQLite meets a generated column, it reads what that is made of.)
DROP INDEX deployment_listed;
DROP INDEX deployment_owned;
CREATE INDEX deployment_listed ON deployment (created_us DESC, id DESC, desired)
    WHERE desired <> 'deleted';
CREATE INDEX deployment_owned ON deployment (owner_id, created_us DESC, id DESC, desired)
    WHERE desired <> 'deleted';
