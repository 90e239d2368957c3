package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// slowDatabase answers nobody before it is released.
type slowDatabase struct {
	asked    atomic.Int32
	released chan struct{}
}

func (s *slowDatabase) BeginTx(ctx context.Context, _ pgx.TxOptions) (pgx.Tx, error) {
	s.asked.Add(1)
	select {
	case <-s.released:
	case <-ctx.Done():
	}
	return nil, errors.New("there is no database")
}

// TestNobodyKeepsTheDatabaseBusy: of the requests of one caller that come at once, also with
// other tokens of theirs, a few are answered at once, and others' meanwhile.
func TestNobodyKeepsTheDatabaseBusy(t *testing.T) {
	const few, many = 4, 30
	database := &slowDatabase{released: make(chan struct{})}
	options := shared.options
	options.Ledger = history.NewReader(database)
	routes, err := api.New(options)
	testkit.Must(t, err)
	server := httptest.NewServer(routes)
	defer server.Close()
	var asking sync.WaitGroup
	ask := func(credential string) {
		asking.Go(func() {
			request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/api/ai/usage?tenant=acme", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+credential)
			if got := send(t, request); got.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %.300s, want 503", got.status, got.body)
			}
		})
	}
	for i := range many {
		ask(token("ana.acme", []string{"one", "two"}[i%2]))
	}
	testkit.Eventually(t, "the first are asked", func() bool { return database.asked.Load() >= few })
	time.Sleep(200 * time.Millisecond)
	if asked := database.asked.Load(); asked != few {
		t.Errorf("the database is asked %d times at once by one caller, want %d", asked, few)
	}
	before := database.asked.Load()
	ask(token("zoe.acme"))
	testkit.Eventually(t, "another is answered meanwhile", func() bool { return database.asked.Load() == before+1 })
	close(database.released)
	asking.Wait()
	if asked := database.asked.Load(); asked != many+1 {
		t.Errorf("the database was asked %d times, want %d", asked, many+1)
	}
}

// TestPreviewsWaitForNoOtherTenant: of each tenant one preview is made at a time, and few of all; who waits for too
// long is told that others are being made.
func TestPreviewsWaitForNoOtherTenant(t *testing.T) {
	const few = 3
	database := &slowDatabase{released: make(chan struct{})}
	options := shared.options
	options.Ledger, options.Timeout = history.NewReader(database), 6*time.Second
	routes, err := api.New(options)
	testkit.Must(t, err)
	server := httptest.NewServer(routes)
	defer server.Close()
	var asking sync.WaitGroup
	var answered atomic.Int32
	preview := func(tenant, credential string, isBusy bool) {
		asking.Go(func() {
			const body = `{"limits":[{"name":"daily","per":"Tenant","period":"Day","amount":"1"}]}`
			request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/api/ai/budgets/"+tenant+"/preview", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+credential)
			request.Header.Set("Content-Type", "application/json")
			got := send(t, request)
			if !isBusy {
				answered.Add(1)
			}
			if is := got.status == http.StatusTooManyRequests && strings.Contains(got.body, `"busy"`) && got.header.Get("Retry-After") != ""; is != isBusy {
				t.Errorf("a preview of %s got %d %.300s, and is told that others are made: %v", tenant, got.status, got.body, is)
			}
		})
	}
	for i, tenant := range []string{"acme", "globex", "hooli"} {
		preview(tenant, token("pat", "platform"), false)
		testkit.Eventually(t, "a preview of "+tenant+" is made", func() bool { return int(database.asked.Load()) == i+1 })
	}
	if answered.Load() > 0 {
		t.Error("a preview had to wait for that of another tenant")
	}
	preview("acme", token("adam.acme"), true)
	preview("company", token("pat", "platform"), true)
	testkit.Eventually(t, "all have an answer", func() bool { return answered.Load() == few })
	close(database.released)
	asking.Wait()
	if asked := database.asked.Load(); asked != few {
		t.Errorf("%d previews were made, want %d", asked, few)
	}
}
