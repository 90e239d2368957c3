package setup_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// turn is a change of an object, what one of its conditions is afterwards, and the Events
// that report it.
type turn struct {
	object          object
	change          func(context.Context)
	condition, want string
	told            []string
}

// turnsOf are turns of a budget's life, and the first of a grant's.
func turnsOf(budget *v1alpha1.TenantBudget, grant *v1alpha1.BudgetGrant) []turn {
	made := func(o object) func(context.Context) {
		return func(ctx context.Context) { Expect(api.Create(ctx, o)).To(Succeed()) }
	}
	set := func(change func(*v1alpha1.TenantBudgetSpec)) func(context.Context) {
		return func(ctx context.Context) {
			update(ctx, budget, func(b *v1alpha1.TenantBudget) { change(&b.Spec) })
		}
	}
	return []turn{
		{budget, made(budget), "Exhausted", "False AmountLeft", nil},
		{budget, func(ctx context.Context) { spend(ctx, budget.Namespace, period.Day, 5*money.USD, 0, true) },
			"Exhausted", "True AmountSpent", []string{"budget BudgetWarning", "budget BreakerOpened", "budget BudgetExhausted"}},
		{budget, set(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "10.00" }),
			"Exhausted", "False AmountLeft", []string{"budget BreakerClosed", "budget BudgetRecovered", "budget Programmed"}},
		{budget, set(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Mars/Olympus_Mons" }),
			"Accepted", "False Invalid", []string{"budget Rejected"}},
		{budget, set(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "" }),
			"Programmed", "True Programmed", []string{"budget Programmed"}},
		{grant, made(grant), "Programmed", "True Programmed", []string{"grant Granted"}},
	}
}

// toldOf is how many Events the objects of a namespace have, by object and reason.
func toldOf(ctx context.Context, namespace string) func() map[string]int {
	return func() map[string]int {
		var list eventsv1.EventList
		if err := api.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return map[string]int{err.Error(): 1}
		}
		told := map[string]int{}
		for _, event := range list.Items {
			switch event.Reason {
			case v1alpha1.EventDriftFound:
				continue // nobody made the calls that are counted here
			case v1alpha1.EventAccepted:
				continue // it may go without saying, where it is programmed at once
			}
			told[event.Regarding.Name+" "+event.Reason]++
			if event.Series != nil {
				told[event.Regarding.Name+" "+event.Reason] += int(event.Series.Count)
			}
		}
		return told
	}
}

// at gives a fate to the request for the first Event in a namespace, or for the first status after it.
func at(namespace string, ofStatus bool, what fate) func(*http.Request) fate {
	var told, done atomic.Bool
	return func(request *http.Request) fate {
		path := request.URL.Path
		isEvent, isStatus := strings.HasSuffix(path, "/events"), strings.HasSuffix(path, "/status") && told.Load()
		if !strings.Contains(path, "/namespaces/"+namespace+"/") || !isEvent && !isStatus {
			return goesWell
		}
		told.Store(true)
		if isStatus == ofStatus && done.CompareAndSwap(false, true) {
			return what
		}
		return goesWell
	}
}

var _ = Describe("Events", func() {
	// live lets a manager live until it has died, or calmly.
	live := func(ctx context.Context, fated func(*http.Request) fate, until func(m *running)) {
		GinkgoHelper()
		l := newLife(0, false)
		l.heal()
		l.fated = fated
		m, err := l.begin(ctx)
		Expect(err).NotTo(HaveOccurred())
		defer m.close()
		defer l.kill()
		until(m)
	}

	DescribeTable("are told once each, whenever a manager dies", func(ctx SpecContext, ofStatus bool, what fate) {
		startEnforcer(true)
		withoutManager()
		budget := objects.TenantBudget(newNamespace(ctx))
		grant := newGrant(budget.Namespace, "grant", time.Hour)
		DeferCleanup(func(ctx SpecContext) {
			live(ctx, nil, func(*running) {
				remove(ctx, grant)
				remove(ctx, budget)
			})
		})
		want := map[string]int{}
		for i, turn := range turnsOf(budget, grant) {
			By(fmt.Sprint("turn ", i))
			for _, told := range turn.told {
				want[told]++
			}
			if what == goesWell || len(turn.told) == 0 {
				turn.change(ctx) // while no manager runs
			} else {
				live(ctx, at(budget.Namespace, ofStatus, what), func(m *running) {
					turn.change(ctx)
					Eventually(ctx, m.ended).Should(Receive(Succeed()), "the manager dies")
				})
			}
			live(ctx, nil, func(*running) {
				expectCondition(ctx, turn.object, turn.condition, turn.want)
				Eventually(ctx, toldOf(ctx, budget.Namespace)).WithTimeout(20 * time.Second).Should(Equal(want))
			})
		}
	},
		Entry("before it tells", false, diesBefore),
		Entry("after it has told", false, diesAfter),
		Entry("before it writes the status", true, diesBefore),
		Entry("after it has written the status", true, diesAfter),
		Entry("before it is begun", false, goesWell),
	)
})
