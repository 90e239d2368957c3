package rollout

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/hack/parts/collector"
)

// TestTraced: each reconcile has a span, and does the same as without it.
func TestTraced(t *testing.T) {
	request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "acme", Name: "budget"}}
	for name, tc := range map[string]struct {
		err  error
		want tracev1.Status_StatusCode
	}{
		"succeeds": {nil, tracev1.Status_STATUS_CODE_UNSET},
		"fails":    {errors.New("Redis is away"), tracev1.Status_STATUS_CODE_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			received := collector.Start(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.URL)
			started, err := tracing.Start("bursar-manager", os.Getenv, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			started.UseEverywhere()
			inner := reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{RequeueAfter: time.Second}, tc.err
			})
			got, err := traced("TenantBudget", inner).Reconcile(t.Context(), request)
			if got.RequeueAfter != time.Second || !errors.Is(err, tc.err) {
				t.Errorf("got %v, %v; want what the reconciler says", got, err)
			}
			started.Stop()
			spans := received.Spans()
			if len(spans) != 1 || spans[0].Name != "reconcile TenantBudget" || spans[0].GetStatus().GetCode() != tc.want {
				t.Fatalf("spans %v, want one with status %v", spans, tc.want)
			}
			if name := collector.Attribute(spans[0].Attributes, "bursar.object.name").GetStringValue(); name != "budget" {
				t.Errorf("the span is of %q, want budget", name)
			}
		})
	}
}
