package rollout

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// traced wraps a reconciler of a kind in spans. They go where OpenTelemetry's global
// provider sends them: nowhere, unless one is set.
func traced(kind string, inner reconcile.Reconciler) reconcile.Reconciler {
	return &tracedReconciler{kind: kind, inner: inner, tracer: otel.Tracer("github.com/bursar-dev/bursar/controllers")}
}

type tracedReconciler struct {
	kind   string
	inner  reconcile.Reconciler
	tracer trace.Tracer
}

// Reconcile makes a span of a reconcile.
func (r *tracedReconciler) Reconcile(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	ctx, span := r.tracer.Start(ctx, "reconcile "+r.kind, trace.WithAttributes(
		attribute.String("bursar.object.kind", r.kind),
		attribute.String("bursar.object.name", request.Name),
		attribute.String("k8s.namespace.name", request.Namespace)))
	defer span.End()
	result, err := r.inner.Reconcile(ctx, request)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, "failed; will be retried")
	}
	span.SetAttributes(attribute.Float64("bursar.requeue_after_seconds", result.RequeueAfter.Seconds()))
	return result, err
}
