package probe_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/probe"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// answers are the proofs of tenants, and the probes that were wanted.
type answers struct {
	proofs map[string]limiterstore.Proof
	wanted []string
	err    error
}

func (a *answers) Request(_ context.Context, tenant string) error {
	a.wanted = append(a.wanted, tenant)
	return a.err
}

func (a *answers) Proofs(_ context.Context, tenants ...string) (proofs []limiterstore.Proof, err error) {
	for _, tenant := range tenants {
		proofs = append(proofs, a.proofs[tenant])
	}
	return proofs, a.err
}

func unanswered(tenant string, revision int64) limiterstore.Proof {
	return limiterstore.Proof{Tenant: tenant, Revision: revision}
}

func answered(tenant string, revision int64, contradiction string) limiterstore.Proof {
	return limiterstore.Proof{Tenant: tenant, Revision: revision, Answered: true, Contradiction: contradiction}
}

var arrived = conditions.Rollout{Revision: 7, Running: 2, All: 2}

func TestProveAsksAgainAfterPauses(t *testing.T) {
	limiter := &answers{proofs: map[string]limiterstore.Proof{"acme": unanswered("acme", 7)}}
	prober := probe.New(limiter)
	begin, rollout := time.Now(), arrived
	// prove asks as often as the controllers do, and says at which seconds a probe was wanted.
	prove := func(from, to int) (seconds []int) {
		for second := from; second < to; second++ {
			before := len(limiter.wanted)
			got, err := prober.Prove(t.Context(), rollout, &v1alpha1.TenantBudget{}, "acme", nil, begin.Add(time.Duration(second)*time.Second))
			if len(limiter.wanted) > before {
				seconds = append(seconds, second)
			}
			if got.Unproven == nil || err != nil {
				t.Fatalf("rollout %+v, want one that is not proven", got)
			}
		}
		return seconds
	}
	if got, want := prove(0, 100), []int{0, 2, 6, 14, 30, 60, 90}; !slices.Equal(got, want) {
		t.Errorf("probes were wanted after %v s, want %v", got, want)
	}
	limiter.proofs["acme"] = answered("acme", 7, "1.00 USD, want 2.00")
	if got, want := prove(100, 125), []int{120}; !slices.Equal(got, want) {
		t.Errorf("after a contradiction: after %v s, want %v", got, want)
	}
	limiter.proofs["acme"] = unanswered("acme", 8)
	if got := prove(123, 125); got != nil {
		t.Errorf("of a revision that enforcers do not run yet: after %v s, want none", got)
	}
	rollout.Revision = 8
	if got, want := prove(125, 130), []int{125, 127}; !slices.Equal(got, want) {
		t.Errorf("of another revision: after %v s, want %v", got, want)
	}
}

func TestProve(t *testing.T) {
	programmed := &v1alpha1.TenantBudget{}
	programmed.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionTrue}}
	failure := fmt.Errorf("no answer: %w", limiterstore.ErrUnavailable)
	for name, tc := range map[string]struct {
		rollout     conditions.Rollout
		object      conditions.Object
		proofs      []limiterstore.Proof
		err         error
		wantWanted  []string
		wantReason  string
		wantFailure error
	}{
		"not everywhere yet": {
			rollout: conditions.Rollout{Revision: 7, Running: 1, All: 2}, wantReason: v1alpha1.ReasonEnforcersPending,
		},
		"nobody knows": {
			rollout: arrived, proofs: []limiterstore.Proof{unanswered("acme", 7)},
			wantWanted: []string{"acme"}, wantReason: v1alpha1.ReasonProbePending,
		},
		"proven": {
			rollout: arrived, proofs: []limiterstore.Proof{answered("acme", 7, ""), answered("below", 6, "")}, wantReason: v1alpha1.ReasonProgrammed,
		},
		"one below is not": {
			rollout: arrived, proofs: []limiterstore.Proof{answered("acme", 7, ""), unanswered("below", 6)},
			wantWanted: []string{"below"}, wantReason: v1alpha1.ReasonProbePending,
		},
		"one below is not, which has changed since": {
			rollout: arrived, object: programmed, proofs: []limiterstore.Proof{answered("acme", 7, ""), unanswered("below", 9)},
			wantReason: v1alpha1.ReasonProgrammed,
		},
		"it has changed since it was looked at": {
			rollout: arrived, proofs: []limiterstore.Proof{unanswered("acme", 8)},
			wantReason: v1alpha1.ReasonProbePending,
		},
		"it has changed since it was programmed": {
			rollout: arrived, object: programmed, proofs: []limiterstore.Proof{unanswered("acme", 8)},
			wantReason: v1alpha1.ReasonProgrammed,
		},
		"one below has no document": {
			rollout: arrived, proofs: []limiterstore.Proof{answered("acme", 7, ""), {Tenant: "below"}}, wantReason: v1alpha1.ReasonProgrammed,
		},
		"contradicted": {
			rollout: arrived, proofs: []limiterstore.Proof{unanswered("acme", 7), answered("below", 6, "no such limit")},
			wantWanted: []string{"acme", "below"}, wantReason: v1alpha1.ReasonProbeFailed,
		},
		"Redis is away": {rollout: arrived, err: failure, wantReason: v1alpha1.ReasonStoreUnavailable, wantFailure: failure},
	} {
		t.Run(name, func(t *testing.T) {
			limiter := &answers{proofs: map[string]limiterstore.Proof{}, err: tc.err}
			for _, proof := range tc.proofs {
				limiter.proofs[proof.Tenant] = proof
			}
			object := tc.object
			if object == nil {
				object = &v1alpha1.TenantBudget{}
			}
			below := []limiterv1.DocumentID{{Kind: limiterv1.TenantDocument, Name: "below"}}
			got, err := probe.New(limiter).Prove(t.Context(), tc.rollout, object, "acme", below, time.Now())
			if diff := cmp.Diff(tc.wantWanted, limiter.wanted); tc.err == nil && diff != "" {
				t.Errorf("probes that were wanted (-want +got):\n%s", diff)
			}
			got.Err = err
			if programmed := got.Programmed(verdict.Accepted()); programmed.Reason != tc.wantReason || !errors.Is(err, tc.wantFailure) {
				t.Errorf("Programmed: %+v, error %v; want %s, %v", programmed, err, tc.wantReason, tc.wantFailure)
			}
		})
	}
}
