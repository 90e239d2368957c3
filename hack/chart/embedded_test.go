package chart_test

import (
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestEmbeddedPostgres: the scripts that initialise an embedded Postgres make the logins that the
// Secrets name, each a member of its role.
func TestEmbeddedPostgres(t *testing.T) {
	own, err := postgres.Start(t.Context(), postgres.Options{})
	testkit.Must(t, err)
	defer func() { _ = own.Stop() }()
	dsn, err := own.NewDatabase(t.Context())
	testkit.Must(t, err)
	at, err := url.Parse(dsn)
	testkit.Must(t, err)

	scripts, _, err := unstructured.NestedStringMap(chart(t, "{redis: {embedded: true}, postgres: {embedded: true}}")["ConfigMap bursar-postgres"].Object, "data")
	testkit.Must(t, err)
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		file := filepath.Join(t.TempDir(), name)
		testkit.Must(t, os.WriteFile(file, []byte(scripts[name]), 0o600))
		run := exec.CommandContext(t.Context(), "sh", "-eu", file)
		if filepath.Ext(name) == ".sql" {
			run = exec.CommandContext(t.Context(), "psql", "-v", "ON_ERROR_STOP=1", dsn, "-f", file)
		}
		run.Env = append(os.Environ(), "PGHOST="+at.Hostname(), "PGPORT="+at.Port(), "POSTGRES_USER="+at.User.Username(), "POSTGRES_DB="+at.Path[1:],
			"OWNER=o'1", "MANAGER=m", "ENFORCER=e", "CONSOLE=c")
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}

	admin, err := pgx.Connect(t.Context(), dsn)
	testkit.Must(t, err)
	defer func() { _ = admin.Close(t.Context()) }()
	for login, role := range map[string]string{"owner": "bursar_owner", "manager": "bursar_manager", "enforcer": "bursar_enforcer", "console": "bursar_console"} {
		var is bool
		const member = "SELECT pg_has_role($1, $2, 'MEMBER') AND rolcanlogin AND NOT rolsuper FROM pg_roles WHERE rolname = $1"
		if err := admin.QueryRow(t.Context(), member, login, role).Scan(&is); err != nil || !is {
			t.Errorf("%s is no login that acts as %s (%v)", login, role, err)
		}
	}
	var owner string
	testkit.Must(t, admin.QueryRow(t.Context(), "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()").Scan(&owner))
	if owner != "bursar_owner" {
		t.Errorf("the database is %s's, want bursar_owner's", owner)
	}
}
