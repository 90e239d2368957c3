package anomaly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var errFailing = errors.New("too much to read")

// world is what a Watcher sees, and keeps what it raises.
type world struct {
	client.Reader
	budget *v1alpha1.TenantBudget
	keys   []v1alpha1.APIKey

	until time.Time
	hours []budgetstore.UserHour
	used  map[string]bool
	// summing is whether there are not yet sums of all calls.
	summing bool

	// failing is a tenant of which nothing can be read.
	failing string

	raised       []budgetstore.TenantAlerts
	woken, tries int
}

func (w *world) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.TenantBudgetList:
		list.Items = []v1alpha1.TenantBudget{*w.budget}
		if w.failing != "" {
			first := *w.budget.DeepCopy()
			first.Spec.Tenant, first.UID = w.failing, "u2"
			list.Items = slices.Insert(list.Items, 0, first)
		}
	case *v1alpha1.APIKeyList:
		list.Items = slices.Clone(w.keys)
	}
	return nil
}

func (w *world) Summed(context.Context) (until time.Time, err error) {
	return w.until, nil
}

func (w *world) Hours(_ context.Context, tenant string, hours []time.Time) (rows []budgetstore.UserHour, _ error) {
	if tenant == w.failing {
		w.tries++
		return nil, errFailing
	}
	for _, row := range w.hours {
		if slices.ContainsFunc(hours, row.Start.Equal) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (w *world) UsedKeys(context.Context, string, time.Time) (keys map[string]bool, isComplete bool, err error) {
	return w.used, !w.summing, nil
}

func (w *world) Raise(_ context.Context, alerts budgetstore.TenantAlerts) (int, error) {
	w.raised = append(w.raised, alerts)
	return len(alerts.Reached), nil
}

func (w *world) EndAnomalies(context.Context) error { return nil }

func (w *world) Wake() { w.woken++ }

// told are the messages of what was raised.
func (w *world) told() (messages []string) {
	for _, alerts := range w.raised {
		for _, alert := range alerts.Reached {
			messages = append(messages, alert.Message)
		}
	}
	return messages
}

// zone is that of the budget, three hours behind UTC. The last hour that is over begins at noon
// there, on a Wednesday.
var (
	zone  = time.FixedZone("-03", -3*60*60)
	lastH = time.Date(2026, 11, 18, 15, 0, 0, 0, time.UTC)
	now   = lastH.Add(80 * time.Minute)
)

func newWorld(anomalies v1alpha1.AlertAnomalies) *world {
	budget := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "budget", UID: "u1"},
		Spec: v1alpha1.TenantBudgetSpec{Tenant: "acme", TimeZone: "America/Argentina/Buenos_Aires", Alerts: &v1alpha1.Alerts{
			Email: []v1alpha1.EmailAddress{"ops@example.com"}, Anomalies: &anomalies,
		}},
	}
	budget.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue}}
	return &world{budget: budget, until: now, used: map[string]bool{}}
}

// spends adds what a user spends at the last hour, and at the same hour of the weeks before.
func (w *world) spends(user string, last, usual money.Nanos, knownWeeks int) {
	for week := knownWeeks; week >= 0; week-- {
		row := budgetstore.UserHour{User: user, Start: lastH.AddDate(0, 0, -7*week), Cost: usual, Calls: 10, Since: lastH.AddDate(0, 0, -7*knownWeeks).Truncate(24 * time.Hour)}
		if week == 0 {
			row.Cost = last
			w.hours = append(w.hours, row)
			return
		}
		for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
			at := row
			at.Start = row.Start.Add(off)
			w.hours = append(w.hours, at)
		}
	}
}

func (w *world) look(t *testing.T) *Watcher {
	t.Helper()
	watcher := New(w, w, w, w)
	testkit.Must(t, watcher.Look(t.Context(), now))
	return watcher
}

// TestSpending: the tenant, and the users who spent far more than usual, are told of by name, with
// the hour in the zone of the budget; and once only.
func TestSpending(t *testing.T) {
	w := newWorld(v1alpha1.AlertAnomalies{Spending: &v1alpha1.UnusualSpending{}})
	w.spends("ana", 40*money.USD, 2*money.USD, 10)
	w.spends("bo", 2*money.USD, 2*money.USD, 10)
	w.spends("new", 9*money.USD, 0, 3)
	w.spends("small", money.USD, 0, 10)
	watcher := w.look(t)
	if diff := cmp.Diff([]string{
		"the tenant spent 52.00 USD between Wednesday 2026-11-18 12:00 and 13:00 -03; 4.00 USD is usual at that hour of that weekday",
		"user ana spent 40.00 USD between Wednesday 2026-11-18 12:00 and 13:00 -03; 2.00 USD is usual at that hour of that weekday",
	}, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	alert := w.raised[0].Reached[1]
	if alert.Action != "Unusual" || alert.Owner.User != "ana" || alert.Spent != 40*money.USD || !alert.Period.Start.Equal(time.Date(2026, 11, 18, 0, 0, 0, 0, zone)) ||
		w.raised[0].UID != "u1" || len(w.raised[0].Recipients) != 1 || w.woken != 1 {
		t.Errorf("%+v of %+v", alert, w.raised[0])
	}
	testkit.Must(t, watcher.Look(t.Context(), now.Add(time.Minute)))
	if len(w.raised) != 1 {
		t.Errorf("told again: %v", w.told())
	}
}

// TestTheFloor: what is less than minAmount is not told, in the currency of the limits.
func TestTheFloor(t *testing.T) {
	for amount, want := range map[v1alpha1.Amount]int{"4.00": 2, "6.00": 0} {
		w := newWorld(v1alpha1.AlertAnomalies{Spending: &v1alpha1.UnusualSpending{MinAmount: amount}})
		w.budget.Spec.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "2", AsOf: "2026-10-01"}
		w.spends("ana", 10*money.USD, 0, 10)
		if w.look(t); len(w.told()) != want {
			t.Errorf("%s: %v", amount, w.told())
		}
	}
}

// TestRefusals: many of the calls of an hour are those of which there are both enough and enough in
// a hundred.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		asked          v1alpha1.ManyRefusals
		calls, refused int64
		want           bool
	}{
		{v1alpha1.ManyRefusals{}, 60, 20, true}, {v1alpha1.ManyRefusals{}, 61, 20, false}, {v1alpha1.ManyRefusals{}, 0, 19, false},
		{v1alpha1.ManyRefusals{AtPercent: ptr.To(int32(100))}, 0, 20, true}, {v1alpha1.ManyRefusals{AtPercent: ptr.To(int32(100))}, 1, 20, false},
		{v1alpha1.ManyRefusals{MinRefused: ptr.To(int64(1))}, 1, 1, true},
	} {
		w := newWorld(v1alpha1.AlertAnomalies{Refusals: &tc.asked})
		w.hours = []budgetstore.UserHour{{User: "ana", Start: lastH, Calls: tc.calls, Refused: tc.refused, Since: lastH}}
		w.look(t)
		if got := w.told(); (len(got) == 1) != tc.want || tc.want && !strings.HasPrefix(got[0], fmt.Sprintf("limits refused %d of %d calls between Wednesday", tc.refused, tc.calls+tc.refused)) {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

// TestUnusedKeys: a key is told of that could be used for so long and was not, and none before the
// sums go back as far.
func TestUnusedKeys(t *testing.T) {
	key := func(name string, change func(*v1alpha1.APIKey)) v1alpha1.APIKey {
		k := v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name, CreationTimestamp: metav1.NewTime(now.AddDate(0, 0, -91))},
			Spec:       v1alpha1.APIKeySpec{BudgetRef: v1alpha1.BudgetRef{Name: "budget"}, User: "ana"},
		}
		change(&k)
		return k
	}
	at := func(days int) *metav1.Time { return ptr.To(metav1.NewTime(now.AddDate(0, 0, days))) }
	w := newWorld(v1alpha1.AlertAnomalies{UnusedKeys: &v1alpha1.UnusedKeys{}})
	w.used["acme/busy"] = true
	w.keys = []v1alpha1.APIKey{
		key("idle", func(*v1alpha1.APIKey) {}),
		key("busy", func(*v1alpha1.APIKey) {}),
		key("asks", func(k *v1alpha1.APIKey) { k.Status.LastUsedTime = at(-1) }),
		key("stopped", func(k *v1alpha1.APIKey) { k.Status.LastUsedTime = at(-91) }),
		key("expired", func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(-1) }),
		key("fresh", func(k *v1alpha1.APIKey) { k.CreationTimestamp = *at(-89) }),
		key("of-another", func(k *v1alpha1.APIKey) { k.Spec.BudgetRef.Name = "other" }),
	}
	watcher := w.look(t)
	if diff := cmp.Diff([]string{
		"APIKey acme/idle of user ana has not been used for 90 days: delete it if nobody needs it",
		"APIKey acme/stopped of user ana has not been used for 90 days: delete it if nobody needs it",
	}, w.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	testkit.Must(t, watcher.Look(t.Context(), now.Add(23*time.Hour)))
	if len(w.raised) != 1 {
		t.Errorf("looked at again within a day")
	}
	w = newWorld(v1alpha1.AlertAnomalies{UnusedKeys: &v1alpha1.UnusedKeys{}})
	w.summing, w.keys = true, []v1alpha1.APIKey{key("idle", func(*v1alpha1.APIKey) {})}
	if watcher = w.look(t); len(w.raised) > 0 {
		t.Errorf("told without knowing: %v", w.told())
	}
	w.summing = false
	if testkit.Must(t, watcher.Look(t.Context(), now.Add(keysAgain))); len(w.raised) != 1 {
		t.Errorf("when all calls were added up: %v", w.told())
	}
}

// TestNobodyAsked: budgets that did not ask, or are not accepted, are not looked at.
func TestNobodyAsked(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.TenantBudget){
		"no anomalies": func(b *v1alpha1.TenantBudget) { b.Spec.Alerts.Anomalies = nil },
		"no alerts":    func(b *v1alpha1.TenantBudget) { b.Spec.Alerts = nil },
		"not accepted": func(b *v1alpha1.TenantBudget) { b.Status.Conditions[0].Status = metav1.ConditionFalse },
	} {
		w := newWorld(v1alpha1.AlertAnomalies{Spending: &v1alpha1.UnusualSpending{}})
		w.spends("ana", 40*money.USD, 0, 10)
		change(w.budget)
		if w.look(t); len(w.raised) > 0 {
			t.Errorf("%s: %v", name, w.told())
		}
	}
}

// TestOneDoesNotHideOthers: where a tenant cannot be looked at, the others are, and once only; it
// is looked at less and less often, and the failure is told once, until that succeeds.
func TestOneDoesNotHideOthers(t *testing.T) {
	w := newWorld(v1alpha1.AlertAnomalies{Spending: &v1alpha1.UnusualSpending{}})
	w.spends("ana", 40*money.USD, 0, 10)
	w.failing = "globex"
	watcher := New(w, w, w, w)
	told := 0
	const day = 24 * 60
	for minute := range day {
		if err := watcher.Look(t.Context(), now.Add(time.Duration(minute)*time.Minute)); errors.Is(err, errFailing) {
			told++
		}
	}
	if len(w.raised) != 1 || w.raised[0].Tenant != "acme" {
		t.Errorf("raised %+v", w.raised)
	}
	if told != 1 || w.tries > 12 || w.tries < 8 {
		t.Errorf("told %d times of %d attempts within a day", told, w.tries)
	}
	w.failing = ""
	w.budget.UID = "u2" // which is looked at again, when its pause is over
	testkit.Must(t, watcher.Look(t.Context(), now.Add(31*time.Hour)))
	if len(w.raised) != 2 || w.raised[1].UID != "u2" {
		t.Errorf("raised %+v", w.raised)
	}
}
