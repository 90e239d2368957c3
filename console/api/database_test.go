package api_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// TestDatabaseKeepsPeopleApart reads every table, partition and view that there is with the
// console's login, for everybody whom the console asks for, without any of its code: the database
// alone gives nobody a row of somebody whom they may not see.
func TestDatabaseKeepsPeopleApart(t *testing.T) {
	relations := relationsOf(t)
	read, refused, leaks := 0, 0, 0
	for _, who := range []struct {
		name string
		as   history.As
		// may are the marks that a row may have, as in TestAccess.
		may []string
	}{
		{"nobody", history.As{}, nil},
		{"an admin of nothing", history.As{Admin: true}, nil},
		{"a user of nothing", history.As{User: "ana.acme"}, nil},
		{"a user of no tenant that there is", history.As{Tenant: "nothing", User: "ana.acme"}, nil},
		{"a member", history.As{Tenant: "acme", User: "ana.acme"}, []string{"ana.acme"}},
		{"a user of another tenant's name", history.As{Tenant: "globex", User: "ana.acme"}, nil},
		{"a member of another tenant", history.As{Tenant: "globex", User: "gus.globex"}, []string{"gus.globex"}},
		{"an admin", history.As{Tenant: "acme", Admin: true}, users[:4]},
		{"an admin of another tenant", history.As{Tenant: "globex", Admin: true}, []string{"gus.globex", "gina.globex"}},
		{"an admin of the tenant above", history.As{Tenant: "company", Admin: true}, []string{"carla.company"}},
		{"a pattern", history.As{Tenant: "%", User: "%"}, nil},
	} {
		for _, relation := range relations {
			rows, err := rowsOf(t, who.as, relation)
			var failure *pgconn.PgError
			if errors.As(err, &failure) {
				refused++
				continue
			}
			testkit.Must(t, err)
			read += len(rows)
			for _, row := range rows {
				for _, user := range users {
					if strings.Contains(row, user) && !slices.Contains(who.may, user) {
						leaks++
						t.Errorf("%s as %s tells of %s: %.300s", relation, who.name, user, row)
					}
				}
			}
			if len(who.may) == 0 && len(rows) > 0 && relation != "usage_progress" && who.as.User == "" {
				t.Errorf("%s as %s has %d rows: %.300s", relation, who.name, len(rows), rows[0])
			}
		}
	}
	if read == 0 {
		t.Error("nobody sees anything")
	}
	t.Logf("%d tables, partitions and views: %d rows were read, %d reads refused, %d leaks", len(relations), read, refused, leaks)
}

func relationsOf(t *testing.T) []string {
	t.Helper()
	rows, err := shared.ledger.Query(t.Context(), `
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1`)
	testkit.Must(t, err)
	relations, err := pgx.CollectRows(rows, pgx.RowTo[string])
	testkit.Must(t, err)
	return relations
}

// rowsOf are the rows of a table that the console's login sees for somebody, as text. Left out is
// which admin has acted on what may be seen: the API tells that to admins alone, and it is
// nobody's usage.
func rowsOf(t *testing.T, as history.As, relation string) (all []string, err error) {
	t.Helper()
	role := ""
	if as.Admin {
		role = "admin"
	}
	err = pgx.BeginTxFunc(t.Context(), shared.reader, pgx.TxOptions{}, func(tx pgx.Tx) error {
		const say = "SELECT set_config('bursar.tenant_id', $1, true), set_config('bursar.user_id', $2, true), set_config('bursar.role', $3, true)"
		if _, err := tx.Exec(t.Context(), say, as.Tenant, as.User, role); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), "SELECT (to_jsonb(r) - 'marked_by' - 'decided_by' - 'created_by')::text FROM "+relation+" AS r")
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return all, err
}
