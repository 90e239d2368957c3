package conditions_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// TestGitOps: Argo CD, with config/argocd/health.lua, and Flux, by kstatus, report the right
// health of an object in each of its states.
func TestGitOps(t *testing.T) {
	const healthy, progressing, degraded = "Healthy", "Progressing", "Degraded"
	everywhere := conditions.Rollout{Revision: 7, Running: 2, All: 2}
	verdictOf := func(status metav1.ConditionStatus, reason string) verdict.Verdict {
		return verdict.Verdict{Status: status, Reason: reason, Message: "a message"}
	}
	breakerOpen := conditions.Typed{Type: v1alpha1.ConditionBreakerOpen, Verdict: verdictOf("True", v1alpha1.ReasonTripRungReached)}
	exhausted := conditions.Typed{Type: v1alpha1.ConditionExhausted, Verdict: verdictOf("True", v1alpha1.ReasonAmountSpent)}
	mistaken := conditions.Typed{Type: v1alpha1.ConditionWarning, Verdict: verdictOf("True", v1alpha1.ReasonPossibleMistakes)}
	for name, tc := range map[string]struct {
		accepted verdict.Verdict
		rollout  conditions.Rollout
		ready    string // reason of another Ready than follows from the rest
		further  []conditions.Typed
		isOld    bool // the status is of the generation before
		argo     string
		kstatus  status.Status
		message  string
	}{
		"enforced": {
			accepted: verdict.Accepted(), rollout: everywhere, argo: healthy, kstatus: status.CurrentStatus, message: "Enforced: ",
		},
		"enforced, with an open breaker and nothing left, which is business": {
			accepted: verdict.Accepted(), rollout: everywhere, further: []conditions.Typed{breakerOpen, exhausted},
			argo: healthy, kstatus: status.CurrentStatus, message: "Enforced: ",
		},
		"enforced, though it looks like a mistake": {
			accepted: verdict.Accepted(), rollout: everywhere, further: []conditions.Typed{mistaken},
			argo: healthy, kstatus: status.CurrentStatus, message: "Enforced: ",
		},
		"shadow": {
			accepted: verdict.Accepted(), rollout: everywhere, ready: "True " + v1alpha1.ReasonShadow,
			argo: healthy, kstatus: status.CurrentStatus, message: "Shadow: ",
		},
		"a key that has expired, as it says": {
			accepted: verdict.Accepted(), rollout: everywhere, ready: "True " + v1alpha1.ReasonExpired,
			argo: healthy, kstatus: status.CurrentStatus, message: "Expired: ",
		},
		"a provider that rejects the key": {
			accepted: verdict.Accepted(), rollout: everywhere, ready: "False " + v1alpha1.ReasonKeyRejected,
			argo: degraded, kstatus: status.FailedStatus, message: "KeyRejected: ",
		},
		"a provider whose key is not there, and may come yet": {
			accepted: verdict.Accepted(), rollout: everywhere, ready: "False " + v1alpha1.ReasonCredentialFileMissing,
			argo: progressing, kstatus: status.InProgressStatus, message: "CredentialFileMissing: ",
		},
		"changed since": {
			accepted: verdict.Accepted(), rollout: everywhere, isOld: true,
			argo: progressing, kstatus: status.InProgressStatus, message: "generation 2 ",
		},
		"not everywhere": {
			accepted: verdict.Accepted(), rollout: conditions.Rollout{Revision: 7, Running: 1, All: 2},
			argo: progressing, kstatus: status.InProgressStatus, message: "EnforcersPending: ",
		},
		"no enforcer": {
			accepted: verdict.Accepted(), rollout: conditions.Rollout{Revision: 7},
			argo: progressing, kstatus: status.InProgressStatus, message: "NoEnforcers: ",
		},
		"a probe is not answered": {
			accepted: verdict.Accepted(), rollout: everywhere.Probed(limiterstore.Proof{Tenant: "acme", Revision: 7}),
			argo: progressing, kstatus: status.InProgressStatus, message: "ProbePending: ",
		},
		"a probe has failed": {
			accepted: verdict.Accepted(),
			rollout:  everywhere.Probed(limiterstore.Proof{Tenant: "acme", Revision: 7, Answered: true, Contradiction: "no such limit"}),
			argo:     progressing, kstatus: status.InProgressStatus, message: "ProbeFailed: ",
		},
		"Redis is away": {
			accepted: verdict.Accepted(), rollout: conditions.Rollout{Err: errNoAnswer},
			argo: progressing, kstatus: status.InProgressStatus, message: "StoreUnavailable: ",
		},
		"the limiter is suspended": {
			accepted: verdict.Accepted(), rollout: conditions.Rollout{Err: &limiterstore.SuspendedError{Reason: "rebuilding"}},
			argo: progressing, kstatus: status.InProgressStatus, message: "LimiterSuspended: ",
		},
		"invalid": {
			accepted: verdictOf("False", v1alpha1.ReasonInvalid), argo: degraded, kstatus: status.FailedStatus, message: "Invalid: ",
		},
		"a tenant that another budget has": {
			accepted: verdictOf("False", v1alpha1.ReasonConflicted), argo: degraded, kstatus: status.FailedStatus, message: "Conflicted: ",
		},
		"its target may come yet": {
			accepted: verdictOf("False", v1alpha1.ReasonTargetNotFound), argo: progressing, kstatus: status.InProgressStatus, message: "TargetNotFound: ",
		},
		"nobody has looked at its parent": {
			accepted: verdictOf("Unknown", v1alpha1.ReasonParentNotAccepted), argo: progressing, kstatus: status.InProgressStatus, message: "ParentNotAccepted: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			budget := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Name: "acme", Namespace: "acme", Generation: 2}}
			ready := conditions.Ready(tc.accepted, tc.rollout.Programmed(tc.accepted))
			if status, reason, is := strings.Cut(tc.ready, " "); is {
				ready = verdictOf(metav1.ConditionStatus(status), reason)
			}
			budget.Status.ProgrammedStatus = tc.rollout.Common(budget, now, tc.accepted, tc.rollout.Programmed(tc.accepted), ready, tc.further...)
			if tc.isOld {
				budget.Status.ObservedGeneration = 1
			}
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(budget)
			if err != nil {
				t.Fatal(err)
			}
			result, err := status.Compute(&unstructured.Unstructured{Object: content})
			if err != nil || result.Status != tc.kstatus {
				t.Errorf("kstatus: %+v, %v; want %s", result, err, tc.kstatus)
			}
			health, message := argoHealth(t, budget)
			if health != tc.argo || !strings.HasPrefix(message, tc.message) {
				t.Errorf("Argo CD: %s, %q; want %s, %q", health, message, tc.argo, tc.message)
			}
		})
	}
}

// TestGitOpsOfNothing: Argo CD waits for an object that has no status yet.
func TestGitOpsOfNothing(t *testing.T) {
	if health, message := argoHealth(t, &v1alpha1.APIKey{}); health != "Progressing" || message != "not looked at yet" {
		t.Errorf("Argo CD: %s, %q", health, message)
	}
}

// argoHealth runs health.lua as Argo CD does.
func argoHealth(t *testing.T, object any) (health, message string) {
	t.Helper()
	script, err := os.ReadFile("../../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var content any
	if err := json.Unmarshal(raw, &content); err != nil {
		t.Fatal(err)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []lua.LGFunction{lua.OpenBase, lua.OpenTable} {
		library(state)
	}
	state.SetGlobal("obj", toLua(state, content))
	if err := state.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	answer, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("health.lua answers %s", state.Get(-1))
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	case []any:
		list := state.NewTable()
		for _, item := range value {
			list.Append(toLua(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}
