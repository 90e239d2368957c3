package pages_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// record puts a call of ana on record, as an enforcer does.
func record(t testing.TB, id string) {
	t.Helper()
	_, err := shared.Ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, held_nanos, cost_nanos, session, decision, ancestors)
VALUES ($1, 'research', 'ana', 'empleado', '', 'openai', 'gpt-4o', 'gpt-4o', 'gpt-4o', 'chat', false, $2, $2, 'Settled', 1000000, 1000000, 's', 'Admitted', '{northwind}')`, id, now())
	testkit.Must(t, err)
}

// watch reads a stream of events until one has figures.
func watch(ctx context.Context, path, token string, first chan<- struct{}) (figures string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, shared.url+path, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || kind != "text/event-stream" {
		return "", fmt.Errorf("%d %s", response.StatusCode, kind)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 10<<20)
	events := 0
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "event: figures":
			events++
		case strings.HasPrefix(line, "data: "):
			figures += line
		case line == "" && events == 1 && first != nil:
			close(first)
			first, figures = nil, ""
		case line == "" && events == 2:
			return figures, nil
		}
	}
	return "", fmt.Errorf("the stream has ended: %w", lines.Err())
}

// TestLive: a call is seen by all who watch, whose pages are made once for all of them.
func TestLive(t *testing.T) {
	const watchers = 50
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	var latest time.Time
	for range watchers {
		first := make(chan struct{})
		ready.Go(func() {
			select {
			case <-first:
			case <-ctx.Done():
			}
		})
		done.Go(func() {
			figures, err := watch(ctx, "/costs/live?by=user", admin.token(), first)
			if err != nil || !strings.Contains(figures, "ana") {
				t.Errorf("%v: %d bytes", err, len(figures))
			}
			mu.Lock()
			defer mu.Unlock()
			latest = time.Now()
		})
	}
	ready.Wait()
	recorded := time.Now()
	record(t, "live-1")
	done.Wait()
	t.Logf("all %d saw it after %s", watchers, latest.Sub(recorded)) // make bench-console measures it
	if status, _, _ := get(t, "/costs/live", employee.token(), "en"); status != http.StatusNoContent {
		t.Errorf("somebody who may not see costs watches them: %d", status)
	}
}

// TestWatchingEndsWithTheRight: of the next call, who may not see costs any more is told nothing, and others are.
func TestWatchingEndsWithTheRight(t *testing.T) {
	was := v1alpha1.Member{Subject: "watcher", Tier: "corporativo", Admin: true}
	isMember := was
	isMember.Admin = false
	token, key := person{user: "watcher"}.token(), client.ObjectKey{Namespace: "research", Name: "people"}
	var people v1alpha1.Membership
	testkit.Must(t, shared.Cluster.Get(t.Context(), key, &people))
	others := people.Spec.Members
	set := func(ctx context.Context, status int, more ...v1alpha1.Member) {
		t.Helper()
		testkit.Must(t, shared.Cluster.Get(ctx, key, &people))
		people.Spec.Members = slices.Concat(others, more)
		testkit.Must(t, shared.Cluster.Update(ctx, &people))
		for i := range people.Status.Conditions { // the manager has accepted it so
			people.Status.Conditions[i].ObservedGeneration = people.Generation
		}
		testkit.Must(t, shared.Cluster.Status().Update(ctx, &people))
		testkit.Eventually(t, fmt.Sprint("the page Costs is answered with ", status), func() bool {
			got, _, _ := get(t, "/costs?tenant=research", token, "en")
			return got == status
		})
	}
	t.Cleanup(func() { set(context.Background(), http.StatusForbidden) })
	for name, is := range map[string][]v1alpha1.Member{"is a member": {isMember}, "does not belong to the tenant": nil} {
		set(t.Context(), http.StatusOK, was)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		watching := func(token string) <-chan error {
			first, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				_, err := watch(ctx, "/costs/live?tenant=research", token, first)
				ended <- err
			}()
			select {
			case <-first:
			case err := <-ended:
				t.Fatal(err)
			}
			return ended
		}
		one, another := watching(token), watching(admin.token())
		set(t.Context(), http.StatusForbidden, is...)
		record(t, "of after: "+name)
		if err := <-another; err != nil {
			t.Errorf("who still administers it: %v", err)
		}
		if err := <-one; err == nil || ctx.Err() != nil {
			t.Errorf("who %s by now is still told of calls: %v", name, err)
		}
	}
}

// TestNewRightsAreOnesOwn: who is given more rights than others that watch the same page does not have them see more.
func TestNewRightsAreOnesOwn(t *testing.T) {
	const pages = 30 // the page of all is made as one of those who watch it
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	with := func(m []v1alpha1.Member) []v1alpha1.Member {
		return append(m, v1alpha1.Member{Subject: "cesar", Tier: "corporativo", Admin: true})
	}
	without := func(m []v1alpha1.Member) []v1alpha1.Member {
		return slices.DeleteFunc(m, func(m v1alpha1.Member) bool { return m.Subject == "cesar" })
	}
	t.Cleanup(func() {
		changeMembers(context.Background(), t, "northwind", without)
		changeMembers(context.Background(), t, "research", without)
	})
	changeMembers(ctx, t, "northwind", with)
	token := person{user: "cesar"}.token()
	sees := func(text string) func() bool {
		return func() bool {
			_, page, _ := get(t, "/costs?tenant=research", token, "en")
			return strings.Contains(page, text)
		}
	}
	testkit.Eventually(t, "an admin above sees costs", sees("By model"))
	told := make(chan string, 1)
	for n := range pages + 1 {
		first, asks := make(chan struct{}), token
		if n == pages {
			asks = above.token()
		}
		go func() {
			figures, err := watch(ctx, "/costs/live?tenant=research", asks, first)
			if n == pages {
				told <- fmt.Sprint(figures, err)
			}
		}()
		select {
		case <-first:
		case <-ctx.Done():
			t.Fatal("nobody is shown the page")
		}
	}
	changeMembers(ctx, t, "research", with)
	testkit.Eventually(t, "the admin sees users", sees("By user"))
	record(t, "new-rights-1")
	if figures := <-told; !strings.Contains(figures, "<nil>") || strings.Contains(figures, ">ana<") {
		t.Errorf("an admin above is told of users: %s", figures)
	}
}

// changeMembers changes who belongs to a tenant.
func changeMembers(ctx context.Context, t *testing.T, tenant string, change func([]v1alpha1.Member) []v1alpha1.Member) {
	t.Helper()
	var people v1alpha1.Membership
	testkit.Must(t, shared.Cluster.Get(ctx, client.ObjectKey{Namespace: tenant, Name: "people"}, &people))
	people.Spec.Members = change(people.Spec.Members)
	testkit.Must(t, shared.Cluster.Update(ctx, &people))
	for i := range people.Status.Conditions { // the manager has accepted it so
		people.Status.Conditions[i].ObservedGeneration = people.Generation
	}
	testkit.Must(t, shared.Cluster.Status().Update(ctx, &people))
}

// TestBudgetsSeenAnewAreOnesOwn: who has come to see the budget of a tenant below, which others that watch the same
// page do not see as its users, does not have them see it.
func TestBudgetsSeenAnewAreOnesOwn(t *testing.T) {
	const pages = 9 // the page of all is made as one of those who watch it
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	member := func(subject string, admin bool) v1alpha1.Member {
		return v1alpha1.Member{Subject: subject, Tier: "corporativo", Admin: admin}
	}
	without := func(subjects ...string) func(m []v1alpha1.Member) []v1alpha1.Member {
		return func(m []v1alpha1.Member) []v1alpha1.Member {
			return slices.DeleteFunc(m, func(m v1alpha1.Member) bool { return slices.Contains(subjects, m.Subject) })
		}
	}
	for _, tenant := range []string{"northwind", "research"} {
		t.Cleanup(func() { changeMembers(context.Background(), t, tenant, without("leaves", "stays")) })
		changeMembers(ctx, t, tenant, func(m []v1alpha1.Member) []v1alpha1.Member {
			return append(m, member("leaves", tenant == "northwind"), member("stays", tenant == "northwind"))
		})
	}
	leaves, stays := person{user: "leaves"}.token(), person{user: "stays"}.token()
	budget := regexp.MustCompile(`class="depth-1"><a href="[^"]*">research</a>`)
	seesBudget := func(token string) bool {
		status, page, _ := get(t, "/costs?tenant=northwind", token, "en")
		return status != http.StatusOK || budget.MatchString(page)
	}
	testkit.Eventually(t, "neither sees the budget", func() bool { return !seesBudget(leaves) && !seesBudget(stays) })
	told := make(chan string, 1)
	for n := range pages + 1 {
		first, asks := make(chan struct{}), leaves
		if n == pages {
			asks = stays
		}
		go func() {
			figures, err := watch(ctx, "/costs/live?tenant=northwind", asks, first)
			if n == pages {
				told <- fmt.Sprint(figures, err)
			}
		}()
		select {
		case <-first:
		case <-ctx.Done():
			t.Fatal("nobody is shown the page")
		}
	}
	changeMembers(ctx, t, "research", without("leaves"))
	testkit.Eventually(t, "who has left sees the budget", func() bool { return seesBudget(leaves) })
	record(t, "seen-anew-1")
	if figures := <-told; !strings.Contains(figures, "<nil>") || budget.MatchString(figures) {
		t.Errorf("who has not left is told %s", figures)
	}
}

// TestLivePage: the page that is open shows a call without being loaded again.
func TestLivePage(t *testing.T) {
	tb := open(t, admin, look{language: "en-US", width: 1280, height: 900})
	tb.visit("/costs")
	calls := `document.querySelectorAll(".tiles dd")[2].innerText`
	testkit.Eventually(t, "the page is live", func() bool { return value[bool](tb, `!document.querySelector(".live").hidden`) })
	value[any](tb, `document.getElementById("table-of-chart").open = true; window.same = 1`)
	before := value[string](tb, calls)
	record(t, "live-page-1")
	testkit.Eventually(t, "the call is seen", func() bool { return value[string](tb, calls) != before })
	if !value[bool](tb, `window.same == 1 && document.getElementById("table-of-chart").open`) {
		t.Error("the page was loaded again, or what was open is not any more")
	}
	if complaints := tb.complaints(); len(complaints) > 0 {
		t.Errorf("the browser complains: %q", complaints)
	}
}

// TestLiveComesBack: a page is live again after a proxy has answered in the place of a console that starts anew, which
// browsers take for an answer that stays.
func TestLiveComesBack(t *testing.T) {
	at, err := url.Parse(shared.url)
	testkit.Must(t, err)
	toConsole := httputil.NewSingleHostReverseProxy(at)
	toConsole.FlushInterval = -1
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/costs/live" && asked.Add(1) == 1 {
			http.Error(w, "no console", http.StatusServiceUnavailable)
			return
		}
		toConsole.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	tb := open(t, admin, look{language: "en-US", width: 1280, height: 900})
	tb.do(chromedp.Navigate(proxy.URL + "/costs"))
	testkit.Eventually(t, "the page is live", func() bool { return value[bool](tb, `!document.querySelector(".live").hidden`) })
	if asked.Load() < 2 {
		t.Errorf("the page asked %d times", asked.Load())
	}
	tb.do(chromedp.Navigate("about:blank")) // nothing is open any more
}
