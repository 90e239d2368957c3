package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/leader/sweep"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var errAway = errors.New("away")

// object is one that somebody sees: its kind, namespace/name and UID.
type object struct{ kind, namespace, name, uid string }

func (o object) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: o.namespace, Name: o.name, UID: types.UID(o.uid)}
}

// view is what the cache, or the API server, has; failing are the kinds that it gives an
// error for.
type view struct {
	client.Reader
	objects []object
	failing map[string]bool
	asked   int
}

// List is how the cache is read.
func (v *view) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.TenantBudgetList:
		return listInto(v, "TenantBudget", &list.Items, func(o metav1.ObjectMeta) v1alpha1.TenantBudget { return v1alpha1.TenantBudget{ObjectMeta: o} })
	case *v1alpha1.APIKeyList:
		return listInto(v, "APIKey", &list.Items, func(o metav1.ObjectMeta) v1alpha1.APIKey {
			return v1alpha1.APIKey{ObjectMeta: o, Spec: v1alpha1.APIKeySpec{SHA256: "abc"}}
		})
	case *v1alpha1.ModelProviderList:
		return listInto(v, "ModelProvider", &list.Items, func(o metav1.ObjectMeta) v1alpha1.ModelProvider { return v1alpha1.ModelProvider{ObjectMeta: o} })
	case *v1alpha1.BudgetGrantList:
		return listInto(v, "BudgetGrant", &list.Items, func(o metav1.ObjectMeta) v1alpha1.BudgetGrant { return v1alpha1.BudgetGrant{ObjectMeta: o} })
	}
	return errors.New("not a list of ours")
}

// listInto lists the objects of a kind, or a part of them and an error.
func listInto[T any](v *view, kind string, items *[]T, with func(metav1.ObjectMeta) T) error {
	for _, o := range v.of(kind) {
		*items = append(*items, with(o))
	}
	if v.failing[kind] {
		return errAway
	}
	return nil
}

func (v *view) of(kind string) (metas []metav1.ObjectMeta) {
	for _, o := range v.objects {
		if o.kind == kind {
			metas = append(metas, o.meta())
		}
	}
	return metas
}

// Get is how the API server is asked.
func (v *view) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	v.asked++
	kind := into.GetObjectKind().GroupVersionKind().Kind
	if v.failing[kind] {
		return errAway
	}
	for _, o := range v.objects {
		if o.kind == kind && o.namespace == key.Namespace && o.name == key.Name {
			into.SetUID(types.UID(o.uid))
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
}

// stores are what is in force: documents and rows.
type stores struct {
	documents   map[limiterv1.DocumentID]limiterv1.Source
	limits      []budgetstore.Owner
	grants      []budgetstore.Owner
	unreadable  map[string]bool
	unwithdrawn error
	withdrawn   []string
	// asked is how often the incarnation was, and swept how often what is in force.
	asked, swept atomic.Int64
	// at is the newest change, and pruned up to where withdrawn documents were pruned.
	at     documents.Position
	pruned []documents.Position
}

func (s *stores) Position(context.Context) (documents.Position, error) { return s.at, nil }

func (s *stores) Prune(_ context.Context, upTo documents.Position) (int64, error) {
	s.pruned = append(s.pruned, upTo)
	return 0, nil
}

// Incarnation is another once it was asked for, as where the configuration is restored.
func (s *stores) Incarnation(context.Context) (string, error) {
	return fmt.Sprint(s.asked.Add(1) > 1), nil
}

func (s *stores) Owners(context.Context) (map[limiterv1.DocumentID]limiterv1.Source, error) {
	s.swept.Add(1)
	if s.unreadable["documents"] {
		return nil, errAway
	}
	return maps.Clone(s.documents), nil
}

func (s *stores) Withdraw(_ context.Context, id limiterv1.DocumentID, uid string) (bool, error) {
	return s.note(id.String() + " of " + uid)
}

func (s *stores) note(what string) (bool, error) {
	if s.unwithdrawn == nil {
		s.withdrawn = append(s.withdrawn, what)
	}
	return s.unwithdrawn == nil, s.unwithdrawn
}

type limitRows struct{ *stores }

func (s limitRows) Open(context.Context) ([]budgetstore.Owner, error) {
	if s.unreadable["limits"] {
		return nil, errAway
	}
	return s.limits, nil
}

func (s limitRows) Close(_ context.Context, tenant, uid string) error {
	_, err := s.note("limits of " + tenant + " of " + uid)
	return err
}

type grantRows struct{ *stores }

func (s grantRows) Open(context.Context) ([]budgetstore.Owner, error) {
	if s.unreadable["grants"] {
		return nil, errAway
	}
	return s.grants, nil
}

func (s grantRows) Close(_ context.Context, uid string) (bool, error) {
	return s.note("grant of " + uid)
}

var (
	budget   = object{"TenantBudget", "acme", "budget", "budget-1"}
	key      = object{"APIKey", "acme", "key", "key-1"}
	provider = object{"ModelProvider", "", "openai", "provider-1"}
	grant    = object{"BudgetGrant", "acme", "grant", "grant-1"}
	everyone = []object{budget, key, provider, grant}
)

// inForce is what the four objects have in force.
func inForce() *stores {
	source := func(o object) limiterv1.Source {
		return limiterv1.Source{Kind: o.kind, Namespace: o.namespace, Name: o.name, UID: o.uid}
	}
	row := func(o object) []budgetstore.Owner {
		return []budgetstore.Owner{{Tenant: "acme", Namespace: o.namespace, Name: o.name, UID: o.uid}}
	}
	return &stores{
		documents: map[limiterv1.DocumentID]limiterv1.Source{
			{Kind: limiterv1.TenantDocument, Name: "acme"}:         source(budget),
			{Kind: limiterv1.CredentialDocument, Name: "acme/abc"}: source(key),
			{Kind: limiterv1.ProviderDocument, Name: "openai"}:     source(provider),
		},
		limits: row(budget), grants: row(grant), unreadable: map[string]bool{},
	}
}

// without are the objects except for one.
func without(gone object) []object {
	return slices.DeleteFunc(slices.Clone(everyone), func(o object) bool { return o == gone })
}

// again is an object that somebody has made anew with the name of another.
func (o object) again() object {
	o.uid = "another"
	return o
}

func kinds(all ...string) map[string]bool {
	failing := map[string]bool{}
	for _, kind := range all {
		failing[kind] = true
	}
	return failing
}

// TestSweep: what an object has in force that is gone, from the cache and from the API server,
// is withdrawn and told of. An error of either, or of a store, withdraws nothing that it
// concerns, and the sweep is repeated.
func TestSweep(t *testing.T) {
	all := []string{"credential/acme/abc of key-1", "grant of grant-1", "limits of acme of budget-1", "provider/openai of provider-1", "tenant/acme of budget-1"}
	ofBudget := []string{"limits of acme of budget-1", "tenant/acme of budget-1"}
	for name, tc := range map[string]struct {
		// cached and live are what the cache and the API server have.
		cached, live       []object
		cacheFails         map[string]bool
		liveFails          map[string]bool
		unreadable         map[string]bool
		cannotWithdraw     bool
		want               []string
		wantErr, wantAsked bool
	}{
		"everything is there":     {cached: everyone, live: everyone},
		"everything is gone":      {want: all, wantAsked: true},
		"a budget is gone":        {cached: without(budget), live: without(budget), want: ofBudget, wantAsked: true},
		"a key is gone":           {cached: without(key), live: without(key), want: all[:1], wantAsked: true},
		"a grant is gone":         {cached: without(grant), live: without(grant), want: all[1:2], wantAsked: true},
		"a provider is gone":      {cached: without(provider), live: without(provider), want: all[3:4], wantAsked: true},
		"the cache has nothing":   {live: everyone, wantAsked: true},
		"the cache misses one":    {cached: without(key), live: everyone, wantAsked: true},
		"the cache has too much":  {cached: everyone},
		"the cache cannot answer": {cacheFails: kinds("TenantBudget", "APIKey", "ModelProvider", "BudgetGrant"), wantErr: true},
		"the cache cannot list the keys": {
			cacheFails: kinds("APIKey"), want: slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == all[0] }), wantErr: true, wantAsked: true,
		},
		"the API server cannot answer": {
			liveFails: kinds("TenantBudget", "APIKey", "ModelProvider", "BudgetGrant"), wantErr: true, wantAsked: true,
		},
		"the API server cannot say of budgets": {
			liveFails: kinds("TenantBudget"), want: []string{all[0], all[1], all[3]}, wantErr: true, wantAsked: true,
		},
		"another has the name of a key": {
			cached: append(without(key), key.again()), live: append(without(key), key.again()), want: all[:1], wantAsked: true,
		},
		"another has the name of a budget": {
			cached: append(without(budget), budget.again()), live: append(without(budget), budget.again()), want: ofBudget, wantAsked: true,
		},
		"another has the name, which the cache knows already and the API server not yet": {
			cached: append(without(key), key.again()), live: everyone, wantAsked: true,
		},
		"the documents cannot be read":   {unreadable: kinds("documents"), want: all[1:3], wantErr: true, wantAsked: true},
		"the limits cannot be read":      {unreadable: kinds("limits"), want: []string{all[0], all[1], all[3], all[4]}, wantErr: true, wantAsked: true},
		"the grants cannot be read":      {unreadable: kinds("grants"), want: []string{all[0], all[2], all[3], all[4]}, wantErr: true, wantAsked: true},
		"no store can be read":           {unreadable: kinds("documents", "limits", "grants"), wantErr: true},
		"the stores cannot be withdrawn": {cannotWithdraw: true, wantErr: true, wantAsked: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, cache, live := inForce(), &view{objects: tc.cached, failing: tc.cacheFails}, &view{objects: tc.live, failing: tc.liveFails}
			s.unreadable = tc.unreadable
			if tc.cannotWithdraw {
				s.unwithdrawn = errAway
			}
			recorded := &eventlog.Events{}
			orphans := rollout.NewOrphans(live, events.NewRecorder(recorded, nil))
			err := sweep.New(cache, s, limitRows{s}, grantRows{s}, orphans).Sweep(t.Context())
			if (err != nil) != tc.wantErr || err != nil && !errors.Is(err, errAway) {
				t.Errorf("got %v, want an error: %t", err, tc.wantErr)
			}
			slices.Sort(s.withdrawn)
			if diff := cmp.Diff(tc.want, s.withdrawn); diff != "" {
				t.Errorf("withdrawn (-want +got):\n%s", diff)
			}
			if told := recorded.Take(); len(told) != len(tc.want) && len(told) != len(tc.want)-1 { // the two of a budget are one Event
				t.Errorf("told %q of %q", told, tc.want)
			}
			if (live.asked > 0) != tc.wantAsked {
				t.Errorf("the API server was asked %d times", live.asked)
			}
		})
	}
}

// TestSweepOfKeys: a key that its APIKey has no more is withdrawn, and those that it has stay.
func TestSweepOfKeys(t *testing.T) {
	s := inForce()
	left := limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: "acme/old"}
	s.documents[left] = s.documents[limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: "acme/abc"}]
	live := &view{objects: everyone}
	err := sweep.New(&view{objects: everyone}, s, limitRows{s}, grantRows{s}, rollout.NewOrphans(live, events.NewRecorder(&eventlog.Events{}, nil))).Sweep(t.Context())
	if err != nil || !slices.Equal(s.withdrawn, []string{"credential/acme/old of key-1"}) {
		t.Errorf("withdrawn %q, %v", s.withdrawn, err)
	}
}

// TestSweepOfARestoredConfiguration: a copy may be of before an object was gone, so that it is
// swept at once.
func TestSweepOfARestoredConfiguration(t *testing.T) {
	s, live := inForce(), &view{objects: everyone}
	sweeper := sweep.New(&view{objects: everyone}, s, limitRows{s}, grantRows{s}, rollout.NewOrphans(live, events.NewRecorder(&eventlog.Events{}, nil)))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sweeper.Start(ctx) }()
	testkit.Eventually(t, "it is swept again", func() bool { return s.swept.Load() == 2 })
	stop()
	testkit.Must(t, <-done)
}

// TestSweepKeepsWhatIsOfAnUnknownKind: what a later version has put in force, of a kind that
// this one does not know, stays.
func TestSweepKeepsWhatIsOfAnUnknownKind(t *testing.T) {
	s := inForce()
	s.documents[limiterv1.DocumentID{Kind: "membership", Name: "acme"}] = limiterv1.Source{Kind: "Membership", Namespace: "acme", Name: "m", UID: "m-1"}
	live := &view{objects: everyone}
	err := sweep.New(&view{objects: everyone}, s, limitRows{s}, grantRows{s}, rollout.NewOrphans(live, events.NewRecorder(&eventlog.Events{}, nil))).Sweep(t.Context())
	if err == nil || len(s.withdrawn) > 0 || live.asked > 0 {
		t.Errorf("withdrawn %q, %v; want an error that names the kind", s.withdrawn, err)
	}
}

// TestSweepPrunes: each sweep prunes up to where the changes were at the sweep before, so that every
// enforcer has read so far.
func TestSweepPrunes(t *testing.T) {
	s := inForce()
	sweeper := sweep.New(&view{objects: everyone}, s, limitRows{s}, grantRows{s}, rollout.NewOrphans(&view{objects: everyone}, events.NewRecorder(&eventlog.Events{}, nil)))
	var at []documents.Position
	for revision := range int64(3) {
		s.at = documents.Position{Incarnation: "first", Revision: revision + 1}
		at = append(at, s.at)
		testkit.Must(t, sweeper.Sweep(t.Context()))
	}
	if !slices.Equal(s.pruned, at[:2]) {
		t.Errorf("pruned up to %v, want %v", s.pruned, at[:2])
	}
}
