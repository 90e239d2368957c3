package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// probeTimeout bounds what a probe waits for.
const probeTimeout = 2 * time.Second

// addChecks adds the checks of liveness and readiness.
func (r *registration) addChecks() error {
	resources, err := discovery.NewDiscoveryClientForConfigAndClient(r.mgr.GetConfig(), r.mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	served := func(ctx context.Context) error { return allServed(ctx, resources, r.mgr.GetScheme()) }
	all := r.mgr.AddHealthzCheck("ping", healthz.Ping)
	for name, check := range map[string]func(context.Context) error{
		"redis": r.pingRedis, "postgres": r.ledger.Ping, "crds": served,
	} {
		all = errors.Join(all, r.mgr.AddReadyzCheck(name, readiness(check, r.Logger.WithValues("check", name))))
	}
	return all
}

// allServed fails unless the API server serves all kinds of Bursar: if it does not serve a kind any
// more, watches end, and nothing else reports that. It does not fail if the API server does not
// answer: what is programmed stays in force.
func allServed(ctx context.Context, resources discovery.DiscoveryInterfaceWithContext, scheme *runtime.Scheme) error {
	list, err := resources.ServerResourcesForGroupVersionWithContext(ctx, v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return nil
	}
	missing := maps.Clone(scheme.KnownTypes(v1alpha1.GroupVersion))
	if list != nil {
		for _, resource := range list.APIResources {
			delete(missing, resource.Kind)
		}
	}
	for kind := range missing {
		object, _ := scheme.New(v1alpha1.GroupVersion.WithKind(kind))
		if _, is := object.(metav1.Object); !is {
			delete(missing, kind) // a list, or options
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("no CRD of %s: apply config/crd", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
}

// readiness makes a check of readiness, which logs when it begins to fail and when it succeeds
// again: a prober only learns that a check has failed.
func readiness(check func(context.Context) error, log logr.Logger) healthz.Checker {
	var mu sync.Mutex
	var failing bool
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), probeTimeout)
		defer cancel()
		err := check(ctx)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && !failing:
			log.Error(err, "Not ready")
		case err == nil && failing:
			log.Info("Ready again")
		}
		failing = err != nil
		return err
	}
}
