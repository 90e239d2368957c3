package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestEveryChannelIsToldOnce also reads what is told as its receivers would: the
// signature by the library of those who wrote the specification.
func TestEveryChannelIsToldOnce(t *testing.T) {
	x := newTest(t).useDatabase()
	x.raise("daily")
	x.manage(x.newDeliverer(x.options()))
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })

	mails, hooks, posts := world.Mail.Mails(x.mail), world.Webhook.Requests(x.hook), world.Webhook.Requests(x.channel)
	if len(mails) != 1 || len(hooks) != 1 || len(posts) != 1 {
		t.Fatalf("%d e-mails, %d webhooks, %d posts, want one of each", len(mails), len(hooks), len(posts))
	}
	if got, want := mails[0].Header.Get("Subject"), "Bursar: tenant acme: 80% of limit daily reached (Warn)"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if got := mails[0].Header; !strings.HasSuffix(got.Get("Message-Id"), "@example.com>") || got.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("header %v", got)
	}
	for _, line := range []string{"limit daily has reached its 80% rung.", "Spent:        4.00 of 5.00 USD", "Budget:       kubectl -n acme get tenantbudget budget"} {
		if !strings.Contains(mails[0].Body, line) {
			t.Errorf("the e-mail has no line %q:\n%s", line, mails[0].Body)
		}
	}

	verifier, err := standardwebhooks.NewWebhook(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(hooks[0].Body, hooks[0].Header); err != nil {
		t.Errorf("the signature: %v", err)
	}
	var event map[string]any
	if err := json.Unmarshal(hooks[0].Body, &event); err != nil {
		t.Fatal(err)
	}
	data := event["data"].(map[string]any)
	for _, key := range []string{"time", "id"} {
		if event[key] == "" {
			t.Errorf("the event has no %s", key)
		}
		delete(event, key)
	}
	delete(data, "periodStart")
	delete(data, "periodEnd")
	if diff := cmp.Diff(map[string]any{
		"specversion": "1.0", "type": "dev.bursar.alert.raised", "subject": "acme/daily", "datacontenttype": "application/json",
		"source": "/apis/bursar.dev/v1alpha1/namespaces/acme/tenantbudgets/budget",
		"data": map[string]any{"tenant": "acme", "limit": "daily", "action": "Warn", "atPercent": 80.0, "spent": "4.00", "amount": "5.00",
			"severity": "Warning", "message": "limit daily has reached its 80% rung"},
	}, event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if got := hooks[0].Header.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if got, want := string(posts[0].Body), `{"text":"*Bursar: tenant acme: 80% of limit daily reached (Warn)*\nlimit daily has reached its 80% rung."}`; got != want {
		t.Errorf("Slack is told %s, want %s", got, want)
	}
}

// TestRetries: a receiver that fails is tried again, with the same id, until it accepts the
// alert, and the others are not told again.
func TestRetries(t *testing.T) {
	x := newTest(t).useDatabase()
	world.Webhook.FailNext(x.hook, 3)
	world.Mail.RefuseNext(2, 451)
	t.Cleanup(func() { world.Webhook.Answer(nil) })
	x.raise("daily")
	d := x.newDeliverer(x.options())
	x.manage(d)
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	if mails, posts := world.Mail.Mails(x.mail), world.Webhook.Requests(x.channel); len(mails) != 1 || len(posts) != 1 {
		t.Errorf("%d e-mails, %d posts, want one of each", len(mails), len(posts))
	}
	hooks := world.Webhook.Requests(x.hook)
	if len(hooks) != 4 || len(world.Webhook.Taken(x.hook)) != 1 {
		t.Fatalf("%d requests, of which %d were taken, want 4 and 1", len(hooks), len(world.Webhook.Taken(x.hook)))
	}
	for _, hook := range hooks {
		if got, want := hook.Header.Get("webhook-id"), hooks[0].Header.Get("webhook-id"); got != want {
			t.Errorf("webhook-id %q, and %q before", got, want)
		}
	}
}

// TestTwoManagers: two managers that deliver at once tell everybody once.
func TestTwoManagers(t *testing.T) {
	x := newTest(t).useDatabase()
	var alerts []budgetstore.Alert
	for i := range 40 { // each of another rung, so that each is a message
		alerts = append(alerts, reached(fmt.Sprintf("limit-%d", i), int32(40+i)))
	}
	x.raiseAlerts(x.budget, alerts...)
	x.manage(x.newDeliverer(x.options()))
	x.manage(x.newDeliverer(x.options()))
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	if mails, hooks, posts := world.Mail.Mails(x.mail), world.Webhook.Requests(x.hook), world.Webhook.Requests(x.channel); len(mails) != 40 || len(hooks) != 40 || len(posts) != 40 {
		t.Errorf("%d e-mails, %d webhooks, %d posts, want 40 of each", len(mails), len(hooks), len(posts))
	}
	ids := map[string]bool{}
	for _, hook := range world.Webhook.Requests(x.hook) {
		ids[hook.Header.Get("webhook-id")] = true
	}
	if len(ids) != 40 {
		t.Errorf("%d alerts were told, want 40", len(ids))
	}
}

// hanging is a receiver that takes connections and says nothing.
type hanging struct {
	net.Listener
	mu         sync.Mutex
	open, most int
}

func (h *hanging) Accept() (net.Conn, error) {
	conn, err := h.Listener.Accept()
	if err == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open++
		h.most = max(h.most, h.open)
	}
	return conn, err
}

// serve hangs until the listener is closed.
func (h *hanging) serve() {
	for {
		conn, err := h.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn) // until who came has had enough
			_ = conn.Close()
			h.mu.Lock()
			defer h.mu.Unlock()
			h.open--
		}()
	}
}

// mostAtOnce is how many connections there were at a time.
func (h *hanging) mostAtOnce() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most
}

// TestReceiverHangs: a tenant whose receiver hangs keeps no more than one attempt at a time
// busy, and no other tenant waiting.
func TestReceiverHangs(t *testing.T) {
	x := newTest(t).useDatabase()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := &hanging{Listener: listener}
	go receiver.serve()
	x.budget.Spec.Alerts = &v1alpha1.Alerts{Webhook: x.budget.Spec.Alerts.Webhook}
	other := x.budget.DeepCopy()
	other.Name, other.UID, other.Spec.Tenant = "other", "u2", "other"
	x.others = append(x.others, *other)
	x.budget.Spec.Alerts.Webhook.URL = "https://" + listener.Addr().String()
	x.record(other)

	var limits []string
	for i := range 3 * workers {
		limits = append(limits, fmt.Sprintf("limit-%d", i))
	}
	x.raise(limits...)
	x.manage(x.newDeliverer(x.options()))
	testkit.Eventually(x, "the receiver hangs", func() bool { return receiver.mostAtOnce() > 0 })
	x.raiseOf(other, "daily")
	testkit.Eventually(x, "the other tenant is told", func() bool { return len(world.Webhook.Taken(x.hook)) == 1 })
	if got := receiver.mostAtOnce(); got > 2 { // two while one ends
		t.Errorf("%d attempts hung at a time, want one", got)
	}
	_ = listener.Close() // what hangs ends when it is not answered in time
}

// TestManagerStops: a manager that is told to stop while a receiver makes it wait ends
// what it does, and the next one does not do it again.
func TestManagerStops(t *testing.T) {
	x := newTest(t).useDatabase()
	x.budget.Spec.Alerts = &v1alpha1.Alerts{Webhook: x.budget.Spec.Alerts.Webhook}
	asked, goOn := make(chan struct{}, 8), make(chan struct{})
	world.Webhook.Answer(func(path string) (int, http.Header) {
		if path == x.hook {
			asked <- struct{}{}
			<-goOn
		}
		return http.StatusOK, nil
	})
	t.Cleanup(func() { world.Webhook.Answer(nil) })
	x.raise("daily")
	stop := x.manage(x.newDeliverer(x.options()))
	<-asked
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	x.manage(x.newDeliverer(x.options()))
	close(goOn)
	<-stopped
	testkit.Eventually(x, "it is delivered", func() bool { return x.waiting() == 0 })
	if got := len(world.Webhook.Requests(x.hook)); got != 1 {
		t.Errorf("the receiver was told %d times", got)
	}
}

// TestManagerDies: a manager that dies after it took a delivery leaves it to another,
// once the lease is over. Had it sent it already, it is sent again, by the same id: a
// receiver can tell.
func TestManagerDies(t *testing.T) {
	for name, sent := range map[string]bool{"before it sent": false, "after it sent": true} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t).useDatabase()
			x.budget.Spec.Alerts = &v1alpha1.Alerts{Webhook: x.budget.Spec.Alerts.Webhook}
			x.raise("daily")
			dead := x.newDeliverer(x.options())
			taken, err := x.store.Take(t.Context(), time.Second)
			if err != nil || taken == nil {
				t.Fatal(taken, err)
			}
			want := 1
			if sent {
				want = 2
				if err := dead.attempt(t.Context(), *taken); err != nil {
					t.Fatal(err)
				}
			}
			if again, err := x.store.Take(t.Context(), time.Second); err != nil || again != nil {
				t.Errorf("within the lease another takes %+v, %v", again, err)
			}
			x.manage(x.newDeliverer(x.options()))
			testkit.Eventually(x, "it is delivered", func() bool { return x.waiting() == 0 })
			hooks := world.Webhook.Requests(x.hook)
			if len(hooks) != want {
				t.Fatalf("the receiver was told %d times, want %d", len(hooks), want)
			}
			if first, last := hooks[0].Header.Get("webhook-id"), hooks[want-1].Header.Get("webhook-id"); first != last {
				t.Errorf("told as %s, and as %s", first, last)
			}
			// Should it have only slept, it must not put off what was done meanwhile.
			if err := x.store.PutOff(t.Context(), *taken, "late", 0); err != nil || x.waiting() > 0 {
				t.Errorf("a late manager makes it wait again: %v", err)
			}
		})
	}
}

// forgetful is an outbox that cannot be written to for a while, as when Postgres is away.
type forgetful struct {
	Outbox
	away atomic.Int32
}

func (f *forgetful) Delivered(ctx context.Context, d budgetstore.Delivery) error {
	if f.away.Add(-1) >= 0 {
		return context.DeadlineExceeded
	}
	return f.Outbox.Delivered(ctx, d)
}

// TestOutboxIsAway: what was sent and cannot be noted is noted when it can, and not
// sent again.
func TestOutboxIsAway(t *testing.T) {
	x := newTest(t).useDatabase()
	x.raise("daily")
	outbox := &forgetful{Outbox: x.store}
	outbox.away.Store(4)
	d := NewDeliverer(outbox, x.cluster, x.cluster, x.options())
	d.pauses = quick
	x.manage(d)
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	if mails, hooks := world.Mail.Mails(x.mail), world.Webhook.Requests(x.hook); len(mails) != 1 || len(hooks) != 1 {
		t.Errorf("%d e-mails, %d webhooks, want one of each", len(mails), len(hooks))
	}
}

// TestAbandoned: a recipient that spec.alerts no longer names is not told, and none is
// tried for ever.
func TestAbandoned(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*test)
		why    string
	}{
		"the budget is gone":        {func(x *test) { x.budget = nil }, "the TenantBudget was deleted"},
		"another budget has it":     {func(x *test) { x.budget.UID = "u2" }, "the TenantBudget was deleted"},
		"the recipient is not told": {func(x *test) { x.budget.Spec.Alerts = nil }, "spec.alerts no longer names the recipient"},
		"days have passed": {func(x *test) {
			if _, err := x.admin.Exec(t.Context(), "UPDATE cost_alerts SET raised_at = now() - interval '73 hours'"); err != nil {
				t.Fatal(err)
			}
			x.secrets = nil
		}, "Secret acme/alerts does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t).useDatabase()
			x.budget.Spec.Alerts.Email = nil
			x.budget.Spec.Alerts.Slack = nil
			x.raise("daily")
			tc.change(x)
			x.manage(x.newDeliverer(x.options()))
			testkit.Eventually(x, "it is abandoned", func() bool { return x.waiting() == 0 })
			var why string
			if err := x.pool.QueryRow(t.Context(), "SELECT last_error FROM alert_deliveries WHERE abandoned_at IS NOT NULL").Scan(&why); err != nil || why != tc.why {
				t.Errorf("abandoned because %q, %v, want %q", why, err, tc.why)
			}
			if got := world.Webhook.Requests(x.hook); len(got) > 0 {
				t.Errorf("the receiver was told %d times", len(got))
			}
		})
	}
}

func TestPauses(t *testing.T) {
	for attempts, want := range map[int]time.Duration{
		1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 10: 2560 * time.Second, 11: time.Hour, 1000: time.Hour,
	} {
		for range 100 {
			if got := usualPauses.after(attempts); got < want || got > want*6/5 {
				t.Errorf("after %d attempts %s pass, want between %s and %s", attempts, got, want, want*6/5)
			}
		}
	}
}
