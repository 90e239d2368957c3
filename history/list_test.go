package history_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// TestLists: page by page, each call that is selected is listed once, newest first, and no other;
// also where hardly any is selected of those that are looked at for a page.
func TestLists(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	reader.LookAt(16)
	var calls []used
	for i := range 100 {
		for _, refused := range []bool{false, true} {
			calls = append(calls, used{
				id: fmt.Sprintf("%t-%03d", refused, i), tenant: []string{"acme", "emea"}[i%10/9], user: []string{"ana", "bo"}[i%2], tier: "t",
				model: []string{"gpt", "claude", "rare"}[i%50/49+i%2], group: []string{"", "x", "x,y"}[i%3], decision: ledgerv1.Admitted, refused: refused,
				at: noon.Add(time.Duration(i/4) * time.Second),
			})
		}
	}
	for _, u := range calls {
		use(t, admin, u)
	}
	slices.Reverse(calls)
	asAdmin := history.As{Tenant: "acme", Admin: true}
	for name, tc := range map[string]struct {
		as       history.As
		query    history.ListQuery
		selected func(used) bool
	}{
		"all":                  {asAdmin, history.ListQuery{}, func(used) bool { return true }},
		"of one user":          {history.As{Tenant: "acme", User: "bo"}, history.ListQuery{}, func(u used) bool { return u.user == "bo" }},
		"of others, by a user": {history.As{Tenant: "acme", User: "bo"}, history.ListQuery{Where: history.Filter{Users: []string{"ana"}}}, func(used) bool { return false }},
		"of users":             {asAdmin, history.ListQuery{Where: history.Filter{Users: []string{"ana", "bo"}}}, func(used) bool { return true }},
		"of a user":            {asAdmin, history.ListQuery{Where: history.Filter{Users: []string{"ana"}}}, func(u used) bool { return u.user == "ana" }},
		"of a rare model":      {asAdmin, history.ListQuery{Where: history.Filter{Models: []string{"rare"}}}, func(u used) bool { return u.model == "rare" }},
		"of a group":           {asAdmin, history.ListQuery{Where: history.Filter{Groups: []string{"y", "z"}}}, func(u used) bool { return u.group == "x,y" }},
		"of a label":           {asAdmin, history.ListQuery{Where: history.Filter{Labels: map[string]string{"centre": "gpt"}}}, func(u used) bool { return u.model == "gpt" }},
		"of a time": {asAdmin, history.ListQuery{From: noon.Add(2 * time.Second), To: noon.Add(5 * time.Second)}, func(u used) bool {
			return !u.at.Before(noon.Add(2*time.Second)) && u.at.Before(noon.Add(5*time.Second))
		}},
		"of nothing": {asAdmin, history.ListQuery{Where: history.Filter{Outcomes: []string{"none"}}}, func(used) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.query.To.IsZero() {
				tc.query.From, tc.query.To = noon.Add(-time.Hour), noon.Add(time.Hour)
			}
			for _, refused := range []bool{false, true} {
				want := []string{}
				for _, u := range calls {
					if u.tenant == "acme" && u.refused == refused && tc.selected(u) {
						want = append(want, u.id)
					}
				}
				for _, limit := range []int{3, 0} {
					tc.query.Limit = limit
					if diff := cmp.Diff(want, listed(t, reader, tc.as, tc.query, refused)); diff != "" {
						t.Errorf("refused %t, %d at once (-want +got):\n%s", refused, limit, diff)
					}
				}
			}
		})
	}
}

// listed are the IDs of all pages.
func listed(t *testing.T, reader *history.Reader, as history.As, query history.ListQuery, refused bool) []string {
	t.Helper()
	ids, list := []string{}, reader.ListCalls
	if refused {
		list = reader.ListRefusals
	}
	for range 1000 {
		page, err := list(t.Context(), as, query)
		testkit.Must(t, err)
		for _, call := range page.Calls {
			if (call.Refusal != nil) != refused || (call.Admission == nil) != refused || call.Tenant != as.Tenant {
				t.Fatalf("got %+v", call)
			}
			ids = append(ids, call.ID)
		}
		if page.Next == "" {
			return ids
		}
		query.After = page.Next
	}
	t.Fatal("there is always another page")
	return nil
}

func TestListQueries(t *testing.T) {
	_, reader := ledger(t, "bursar_reader")
	good := history.ListQuery{From: noon, To: noon.Add(time.Hour)}
	asAdmin := history.As{Tenant: "acme", Admin: true}
	for name, tc := range map[string]struct {
		as     history.As
		change func(*history.ListQuery)
	}{
		"nobody":         {history.As{Tenant: "acme"}, func(*history.ListQuery) {}},
		"backwards":      {asAdmin, func(q *history.ListQuery) { q.To = q.From }},
		"too many":       {asAdmin, func(q *history.ListQuery) { q.Limit = history.MostPage + 1 }},
		"no cursor":      {asAdmin, func(q *history.ListQuery) { q.After = "%%%" }},
		"another cursor": {asAdmin, func(q *history.ListQuery) { q.After = "MTIz" }},
		"a NUL":          {asAdmin, func(q *history.ListQuery) { q.After = "MS8A" }},
	} {
		t.Run(name, func(t *testing.T) {
			query := good
			tc.change(&query)
			if page, err := reader.ListCalls(t.Context(), tc.as, query); !errors.Is(err, history.ErrQuery) {
				t.Errorf("got %+v, %v, want ErrQuery", page, err)
			}
		})
	}
	if _, err := reader.ListCalls(t.Context(), asAdmin, good); err != nil {
		t.Error(err)
	}
}

// TestCallOfAUser: a user finds their own calls, and not that there are others.
func TestCallOfAUser(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	use(t, admin, used{id: "1", tenant: "acme", user: "ana", tier: "t", model: "gpt", decision: ledgerv1.Admitted, at: noon})
	for as, want := range map[history.As]error{
		{Tenant: "acme", User: "ana"}:    nil,
		{Tenant: "acme", Admin: true}:    nil,
		{Tenant: "acme", User: "bo"}:     history.ErrNoCall,
		{Tenant: "emea", User: "ana"}:    history.ErrNoCall,
		{Tenant: "emea", Admin: true}:    history.ErrNoCall,
		{Tenant: "acme"}:                 history.ErrQuery,
		{User: "ana"}:                    history.ErrQuery,
		{Tenant: "holding", Admin: true}: history.ErrNoCall,
	} {
		if call, err := reader.Call(t.Context(), as, "1"); !errors.Is(err, want) {
			t.Errorf("as %+v: %+v, %v; want %v", as, call, err, want)
		}
	}
}
