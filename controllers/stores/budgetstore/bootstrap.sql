-- What the migrations need from the server before the first of them: the roles
-- that rights are given to, and a schema in which the owner may make tables. Each
-- step is left out when it is done already, so that an administrator may do all of
-- it beforehand and hand out a login that is a member of bursar_owner and no more.
--
-- None of the roles can log in. Logins are made members of the one they act as.

-- Managers that come up together go one at a time: of two that give the same right
-- at the same moment, Postgres would fail one ("tuple concurrently updated"). The
-- lock is over with the transaction, that is, with this file.
SELECT pg_advisory_xact_lock(hashtext('bursar bootstrap'));

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['bursar_owner', 'bursar_manager', 'bursar_enforcer', 'bursar_reader', 'bursar_finance', 'bursar_console'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        -- Roles belong to the server: another database's manager made it just now.
        NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'there is no role %, and % may not create it: as an administrator, run CREATE ROLE % NOLOGIN', role, current_user, role
          USING ERRCODE = 'insufficient_privilege';
      END;
    END IF;
  END LOOP;

  IF NOT pg_has_role(current_user, 'bursar_owner', 'MEMBER') THEN
    EXECUTE format('GRANT bursar_owner TO %I', current_user);
  END IF;

  IF NOT has_schema_privilege('bursar_owner', 'public', 'CREATE') THEN
    GRANT USAGE, CREATE ON SCHEMA public TO bursar_owner;
  END IF;
END
$$;
