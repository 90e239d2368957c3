package budgetstore_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

const insertSummed = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used, endpoint,
  streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ($1, $2, $3, $4, 't', 'k', 'p', 'm', 'm', 'm', '/', false, $5, 'Settled', 1, 1, 's')`

// TestSumsThatReadersSee: a reader sees the sums of whom it reads for: a user's own, all of a
// tenant as its admin, and of tenants below those over all users, of calls that were made while they
// were below.
func TestSumsThatReadersSee(t *testing.T) {
	admin := connectTo(t, migrated(t))
	exec(t, admin, "UPDATE usage_progress SET users_until = now() + interval '1 hour'")
	at := time.Now().Add(-time.Minute)
	insert := func() {
		for i, call := range []struct {
			tenant, user string
			ancestors    []string
		}{{"acme", "ana", nil}, {"acme", "bo", nil}, {"globex", "ana", nil}, {"emea", "ana", []string{"acme"}}, {"emea", "bo", []string{"globex"}}, {"berlin", "ana", []string{"emea", "acme"}}} {
			exec(t, admin, insertSummed, call.tenant+call.user+string(rune('a'+i))+time.Now().String(), call.tenant, append([]string{}, call.ancestors...), call.user, at)
		}
	}
	insert()
	exec(t, admin, "SELECT roll_up_usage(1000)")
	insert() // and is not rolled up

	all := []string{"acme/ana", "acme/bo", "acme/*", "globex/ana", "globex/*", "emea/ana", "emea/bo", "emea/*<acme", "emea/*<globex", "berlin/ana", "berlin/*<emea,acme"}
	// Of groups there are sums that nobody sees who administers a tenant above.
	ofGroups := map[string][]string{"manager": {"emea/*", "berlin/*"}, "admin of a child": {"emea/*"}}
	for name, tc := range map[string]struct {
		role     string
		settings map[string]string
		want     []string
		fails    bool
	}{
		"manager":            {role: "bursar_manager", want: all},
		"owner":              {role: "bursar_owner"},
		"enforcer":           {role: "bursar_enforcer", fails: true},
		"finance":            {role: "bursar_finance", fails: true},
		"reader of nobody":   {role: "bursar_reader", fails: true},
		"reader of a tenant": {role: "bursar_reader", settings: map[string]string{"bursar.tenant_id": "acme"}, fails: true},
		"user":               {"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "ana"}, []string{"acme/ana"}, false},
		"another user":       {"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "eve"}, nil, false},
		"user of a child":    {"bursar_reader", map[string]string{"bursar.tenant_id": "emea", "bursar.user_id": "ana"}, []string{"emea/ana"}, false},
		"user of none":       {"bursar_reader", map[string]string{"bursar.tenant_id": "none", "bursar.user_id": "ana"}, nil, false},
		"admin and user":     {"bursar_reader", map[string]string{"bursar.tenant_id": "globex", "bursar.user_id": "bo", "bursar.role": "Admin"}, nil, false},
		"admin": {"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.role": "admin"},
			[]string{"acme/ana", "acme/bo", "acme/*", "emea/*<acme", "berlin/*<emea,acme"}, false},
		"admin of another": {"bursar_reader", map[string]string{"bursar.tenant_id": "globex", "bursar.role": "admin"}, []string{"globex/ana", "globex/*", "emea/*<globex"}, false},
		"admin of a child": {"bursar_reader", map[string]string{"bursar.tenant_id": "emea", "bursar.role": "admin"},
			[]string{"emea/ana", "emea/bo", "emea/*<acme", "emea/*<globex", "berlin/*<emea,acme"}, false},
		"with the functions' setting": {"bursar_reader", map[string]string{"bursar.tenant_id": "none", "bursar.role": "admin", "bursar.sums_usage": "on"}, nil, false},
	} {
		for _, table := range []string{"usage_sums", "usage_changes"} {
			t.Run(name+" in "+table, func(t *testing.T) {
				as(t, admin, tc.role, tc.settings, func(ctx context.Context, tx pgx.Tx) {
					rows, _ := tx.Query(ctx, `SELECT DISTINCT tenant_id || '/' || coalesce(user_id, '*') ||
						CASE WHEN user_id IS NULL AND ancestors <> '{}' THEN '<' || array_to_string(ancestors, ',') ELSE '' END FROM `+table)
					got, err := pgx.CollectRows(rows, pgx.RowTo[string])
					if (err != nil) != tc.fails {
						t.Fatalf("got %v, want an error: %t", err, tc.fails)
					}
					want := slices.Clone(tc.want)
					if table == "usage_sums" {
						want = append(want, ofGroups[name]...)
					}
					slices.Sort(want)
					slices.Sort(got)
					if strings.Join(got, " ") != strings.Join(want, " ") {
						t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
					}
				})
			})
		}
	}
}

// TestCalendarsThatReadersSee: a reader sees the time zones of the sums that it may see, but not under which
// tenants those below its own used to be.
func TestCalendarsThatReadersSee(t *testing.T) {
	admin := connectTo(t, migrated(t))
	exec(t, admin, "INSERT INTO usage_calendars VALUES ('acme', 'UTC', '-infinity', '{}'), ('globex', 'UTC', '-infinity', '{}'), ('emea', 'UTC', '-infinity', '{globex,acme}')")
	for name, tc := range map[string]struct {
		role     string
		settings map[string]string
		want     string
	}{
		"manager":         {role: "bursar_manager", want: "acme emea globex"},
		"owner":           {role: "bursar_owner"},
		"user":            {"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "ana"}, "acme"},
		"user of a child": {"bursar_reader", map[string]string{"bursar.tenant_id": "emea", "bursar.user_id": "ana"}, "emea"},
		"admin":           {"bursar_reader", map[string]string{"bursar.tenant_id": "acme", "bursar.role": "admin"}, "acme emea"},
		"admin of none":   {"bursar_reader", map[string]string{"bursar.tenant_id": "none", "bursar.role": "admin", "bursar.sums_usage": "on"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			as(t, admin, tc.role, tc.settings, func(ctx context.Context, tx pgx.Tx) {
				var got string
				testkit.Must(t, tx.QueryRow(ctx, "SELECT coalesce(string_agg(tenant_id, ' ' ORDER BY tenant_id), '') FROM usage_calendars").Scan(&got))
				if got != tc.want {
					t.Errorf("calendars of %q, want %q", got, tc.want)
				}
				if _, err := tx.Exec(ctx, "SELECT ancestors FROM usage_calendars"); (err != nil) != (tc.role == "bursar_reader") {
					t.Errorf("the tenants above: %v", err)
				}
			})
		})
	}
}

// TestSumsOfThePast: what the ledger had before there were sums is added up, and nothing twice, though it
// has been amended meanwhile.
func TestSumsOfThePast(t *testing.T) {
	dsn := migrated(t)
	admin := connectTo(t, dsn)
	manager := budgetstore.NewUsage(poolAs(t, dsn, "bursar_manager"))
	ledger := budgetstore.NewLedgerReader(poolAs(t, dsn, "bursar_manager"))
	today := time.Now().UTC().Truncate(24 * time.Hour)
	exec(t, admin, "ALTER TABLE ai_usage_logs DISABLE TRIGGER USER")
	for i, day := range []time.Time{today, today.AddDate(0, 0, -1), today.AddDate(0, 0, -40)} {
		exec(t, admin, insertSummed, string(rune('a'+i)), "acme", []string{}, "ana", day)
		exec(t, admin, insertSummed, string(rune('A'+i)), "globex", []string{}, "ana", day.Add(time.Hour))
	}
	exec(t, admin, "ALTER TABLE ai_usage_logs ENABLE TRIGGER USER")
	exec(t, admin, "INSERT INTO usage_calendars SELECT DISTINCT tenant_id, 'UTC', 'infinity'::timestamptz, '{}'::text[] FROM ai_usage_logs")
	exec(t, admin, "UPDATE ai_usage_logs SET cost_nanos = 5 WHERE call_id = 'b'")
	exec(t, admin, insertSummed, "new", "acme", []string{}, "ana", today.AddDate(0, 0, -40))
	for more := true; more; {
		_, err := manager.AddChanges(t.Context(), 1)
		testkit.Must(t, err)
		_, more, err = manager.AddPast(t.Context())
		testkit.Must(t, err)
	}
	for changes := 1; changes > 0; {
		var err error
		changes, err = manager.AddChanges(t.Context(), 1000)
		testkit.Must(t, err)
	}
	days := []time.Time{today, today.AddDate(0, 0, -1), today.AddDate(0, 0, -40)}
	for _, day := range days {
		for _, tenant := range []string{"acme", "globex"} {
			recorded, summed, err := ledger.UsedOn(t.Context(), tenant, day)
			if err != nil || recorded != summed || recorded.Calls == 0 {
				t.Errorf("%s, %s: the ledger has %+v, the sums %+v, %v", tenant, day, recorded, summed, err)
			}
		}
	}
}

// TestUnknownZone: a time zone that Postgres does not know any more keeps no tenant from being added up. The
// tenant's own sums follow UTC until Postgres knows it again.
func TestUnknownZone(t *testing.T) {
	dsn := migrated(t)
	admin := connectTo(t, dsn)
	manager := budgetstore.NewUsage(poolAs(t, dsn, "bursar_manager"))
	ledger := budgetstore.NewLedgerReader(poolAs(t, dsn, "bursar_manager"))
	yesterday := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	exec(t, admin, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('acme', 'ns', 'budget', 'uid', 1, 'Asia/Kolkata'), ('globex', 'ns', 'other', 'uid2', 1, 'UTC')")
	insert := func(when string) {
		for _, tenant := range []string{"acme", "globex"} {
			for _, hour := range []time.Duration{1, 20} {
				exec(t, admin, insertSummed, tenant+hour.String()+when, tenant, []string{}, "ana", yesterday.Add(hour*time.Hour))
			}
		}
	}
	rollUp := func(wantUnknown map[string]string) {
		t.Helper()
		unknown, err := manager.UnknownZones(t.Context())
		testkit.Must(t, err)
		if !maps.Equal(unknown, wantUnknown) {
			t.Errorf("unknown time zones %v, want %v", unknown, wantUnknown)
		}
		_, err = manager.AddChanges(t.Context(), 1000)
		testkit.Must(t, err)
		for more := true; more; {
			_, more, err = manager.AddPast(t.Context())
			testkit.Must(t, err)
		}
		_, err = manager.AddChanges(t.Context(), 1000)
		testkit.Must(t, err)
		checkRows(t, admin, "changes", "SELECT tenant_id FROM usage_changes", nil)
		for _, tenant := range []string{"acme", "globex"} {
			for n := -1; n <= 1; n++ {
				recorded, summed, err := ledger.UsedOn(t.Context(), tenant, yesterday.AddDate(0, 0, n))
				if err != nil || recorded != summed {
					t.Errorf("%s, day %d: the ledger has %+v, the sums %+v, %v", tenant, n, recorded, summed, err)
				}
			}
		}
	}
	const calendars = "SELECT tenant_id, ' ', zone, ' ', complete_from FROM usage_calendars ORDER BY 1"
	insert("before")
	rollUp(map[string]string{})
	checkRows(t, admin, "calendars", calendars, []string{"acme Asia/Kolkata -infinity", "globex UTC -infinity"})

	// As if the database's tzdata had lost a zone.
	exec(t, admin, "UPDATE tenants SET time_zone = 'Mars/Olympus' WHERE tenant_id = 'acme'")
	exec(t, admin, "UPDATE usage_calendars SET zone = 'Mars/Olympus' WHERE tenant_id = 'acme'")
	insert("while it is unknown")
	rollUp(map[string]string{"acme": "Mars/Olympus"})
	checkRows(t, admin, "calendars", calendars, []string{"acme UTC -infinity", "globex UTC -infinity"})

	exec(t, admin, "UPDATE tenants SET time_zone = 'Asia/Kolkata' WHERE tenant_id = 'acme'")
	insert("after")
	rollUp(map[string]string{})
	checkRows(t, admin, "calendars", calendars, []string{"acme Asia/Kolkata -infinity", "globex UTC -infinity"})
}

// TestUpgradeToSums: a ledger from before there were sums gets them: a migration says that they are
// missing, makes their months, and the leader adds up the days.
func TestUpgradeToSums(t *testing.T) {
	dsn := migrated(t)
	_, err := migrations(t, dsn).DownTo(t.Context(), 29)
	testkit.Must(t, err)
	admin := connectTo(t, dsn)
	last := firstOfMonth(time.Now(), -1)
	exec(t, admin, "CREATE TABLE "+monthTable(last)+" PARTITION OF ai_usage_logs FOR VALUES FROM ('"+last.Format(time.RFC3339)+"') TO ('"+firstOfMonth(time.Now(), 0).Format(time.RFC3339)+"')")
	exec(t, admin, "ALTER TABLE "+monthTable(last)+" OWNER TO bursar_owner")
	exec(t, admin, insertSummed, "before", "acme", []string{}, "ana", last.Add(36*time.Hour))

	testkit.Must(t, budgetstore.Migrate(t.Context(), dsn))
	exec(t, admin, insertSummed, "after", "acme", []string{}, "ana", last.Add(37*time.Hour))
	manager := budgetstore.NewUsage(poolAs(t, dsn, "bursar_manager"))
	day, added, err := manager.AddPast(t.Context())
	if err != nil || !added || !day.Equal(last.Add(24*time.Hour)) {
		t.Errorf("the last day: %s, %t, %v", day, added, err)
	}
	if day, added, err = manager.AddPast(t.Context()); err != nil || added {
		t.Errorf("another day: %s, %t, %v", day, added, err)
	}
	_, err = manager.AddChanges(t.Context(), 100)
	testkit.Must(t, err)
	checkRows(t, admin, "sums", "SELECT tableoid::regclass::text, ' ', calls FROM usage_sums WHERE summed_by = 'Call' AND minutes = 1440",
		[]string{strings.Replace(monthTable(last), "ai_usage_logs", "usage_sums", 1) + " 2"})
	checkRows(t, admin, "progress", "SELECT complete_from FROM usage_calendars WHERE complete_from > '-infinity'", nil)
}

// TestUpgradeToCalendars: sums from before they followed the time zones of tenants, rolled up or not, are
// made anew by these, of all small tenants at once.
func TestUpgradeToCalendars(t *testing.T) {
	dsn := migrated(t)
	provider := migrations(t, dsn)
	_, err := provider.DownTo(t.Context(), 29)
	testkit.Must(t, err)
	_, err = provider.UpTo(t.Context(), 62)
	testkit.Must(t, err)
	admin := connectTo(t, dsn)
	exec(t, admin, "UPDATE usage_progress SET users_until = now()")
	exec(t, admin, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('acme', 'ns', 'budget', 'uid', 1, 'Asia/Kolkata'), ('globex', 'ns', 'budget', 'uid', 1, 'Mars/Olympus')")
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)
	tenants := []string{"acme", "globex"}
	for n := range 18 {
		tenants = append(tenants, "other"+strconv.Itoa(n)) // nothing but their calls is known
	}
	insert := func(when string) {
		for _, tenant := range tenants {
			for _, hour := range []time.Duration{-2, 1, 20} {
				exec(t, admin, insertSummed, tenant+hour.String()+when, tenant, []string{"holding"}, "ana", day.Add(hour*time.Hour))
			}
		}
	}
	insert("before")
	exec(t, admin, "SELECT roll_up_usage(1000)")
	insert("just before")

	testkit.Must(t, budgetstore.Migrate(t.Context(), dsn))
	insert("after")
	var before time.Time // as programs from before read it, which cannot read what is infinite
	testkit.Must(t, admin.QueryRow(t.Context(), "SELECT complete_from FROM usage_progress").Scan(&before))
	if before.Before(time.Now().AddDate(100, 0, 0)) {
		t.Errorf("programs from before read sums since %s", before)
	}
	manager := budgetstore.NewUsage(poolAs(t, dsn, "bursar_manager"))
	steps := 0
	for more := true; more; steps++ {
		_, more, err = manager.AddPast(t.Context())
		testkit.Must(t, err)
	}
	if steps >= len(tenants) {
		t.Errorf("it took %d steps to add up a few calls of %d tenants", steps, len(tenants))
	}
	checkRows(t, admin, "calendars", "SELECT zone, ' ', complete_from, ' ', ancestors[1] FROM usage_calendars GROUP BY zone, complete_from, ancestors[1] ORDER BY 1",
		[]string{"Asia/Kolkata -infinity holding", "UTC -infinity holding"})
	_, err = manager.AddChanges(t.Context(), 1000)
	testkit.Must(t, err)
	ledger := budgetstore.NewLedgerReader(poolAs(t, dsn, "bursar_manager"))
	for _, tenant := range tenants {
		calls := int64(0)
		for n := -1; n <= 1; n++ {
			recorded, summed, err := ledger.UsedOn(t.Context(), tenant, day.AddDate(0, 0, n))
			if err != nil || recorded != summed {
				t.Errorf("%s, day %d: the ledger has %+v, the sums %+v, %v", tenant, n, recorded, summed, err)
			}
			calls += recorded.Calls
		}
		if calls != 9 {
			t.Errorf("%s: %d calls, want 9", tenant, calls)
		}
	}
}

// migrations are those of the database.
func migrations(t *testing.T, dsn string) *goose.Provider {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	testkit.Must(t, err)
	config.RuntimeParams["role"] = "bursar_owner"
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"), goose.WithTableName("bursar_schema_versions"))
	testkit.Must(t, err)
	return provider
}
