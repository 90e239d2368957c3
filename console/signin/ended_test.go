package signin_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestSignOutsInPostgres: what one console is told, all know; and no console can take it back.
func TestSignOutsInPostgres(t *testing.T) {
	ctx := t.Context()
	server, err := postgres.Start(ctx, postgres.Options{})
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, server.Stop()) })
	owner, err := server.NewDatabase(ctx)
	testkit.Must(t, err)
	as := func(roles ...string) *pgxpool.Pool {
		login, err := server.NewLogin(ctx, owner, roles...)
		testkit.Must(t, err)
		pool, err := pgxpool.New(ctx, login)
		testkit.Must(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	testkit.Must(t, budgetstore.Migrate(ctx, owner))
	console, reader := as("bursar_reader", "bursar_console"), as("bursar_reader")
	w := newWorld(t)
	in := func(pool *pgxpool.Pool) func(*signin.Options) {
		return func(o *signin.Options) { o.Ended = signin.EndedIn(pool, slog.New(slog.DiscardHandler)) }
	}
	w.change = in(console)
	c := w.start(true)
	b, thief := newBrowser(t, c), newBrowser(t, c)
	b.signIn(b.get(c.URL+"/"), "carla")
	for name, value := range b.cookies(c) {
		thief.keep(c, &http.Cookie{Name: name, Value: value})
	}
	if !isSignedIn(thief, c) {
		t.Fatal("the copy does not count before")
	}
	b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	c.become(w.replica(c.URL))
	if isSignedIn(thief, c) {
		t.Error("a copy of the cookie still counts")
	}

	for _, statement := range []string{"DELETE FROM console_sign_outs", "UPDATE console_sign_outs SET session_until = '-infinity'", "TRUNCATE console_sign_outs"} {
		if done, err := console.Exec(ctx, statement); err == nil && done.RowsAffected() > 0 {
			t.Errorf("%s: a console brings a session back", statement)
		}
	}
	if _, err := reader.Exec(ctx, "SELECT FROM console_sign_outs"); err == nil {
		t.Error("readers see sessions")
	}
	ended := signin.EndedIn(console, slog.New(slog.DiscardHandler))
	testkit.Must(t, ended.End(ctx, "one-that-is-over", time.Now().Add(-time.Second)))
	testkit.Must(t, ended.End(ctx, "one-that-is-not", time.Now().Add(time.Minute)))
	testkit.Must(t, ended.End(ctx, "one-that-is-not", time.Now().Add(time.Minute)))
	for id, want := range map[string]bool{"one-that-is-over": false, "one-that-is-not": true, "another": false} {
		if is, err := ended.IsEnded(ctx, id); err != nil || is != want {
			t.Errorf("%s: got %v, %v", id, is, err)
		}
	}

	// A login of before, and a database of before: a sign-out counts in its browser.
	w.change = in(reader)
	c.become(w.replica(c.URL))
	b.signIn(b.get(c.URL+"/sign-in"), "carla")
	b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil)
	if isSignedIn(b, c) {
		t.Error("the browser keeps the session")
	}
}
