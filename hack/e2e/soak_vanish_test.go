package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// refusedWithin is how long calls may be admitted by what has vanished, when a manager leads.
const refusedWithin = 20 * time.Second

// vanishFaults are objects that go without their finalizers, as by hand, or with a restored
// etcd. What they had in force must end all the same.
func vanishFaults() []fault {
	return []fault{
		{"a key vanishes without its finalizer", "oma", false, func(s *struck) error {
			tenant := s.caller()
			return s.vanishes(&v1alpha1.APIKey{}, tenant, soakKey(tenant), func() error { return nil })
		}},
		{"a key vanishes without its finalizer while there is no manager", "oma", false, func(s *struck) error {
			tenant := s.caller()
			for _, manager := range runningManagers() {
				manager.Kill()
			}
			return s.vanishes(&v1alpha1.APIKey{}, tenant, soakKey(tenant), func() error {
				return errors.Join(s.startManager(s), s.startManager(s), s.awaitLeader())
			})
		}},
		{"a budget vanishes without its finalizer", "oma", false, func(s *struck) error {
			return s.vanishes(&v1alpha1.TenantBudget{}, soakBounded, boundedYAML(minuteCents, true), func() error { return nil })
		}},
	}
}

func (s *struck) caller() string { return soakCallers[s.chance.IntN(len(soakCallers))] }

// vanishes has an object of a tenant vanish, and checks that every enforcer refuses the
// tenant's calls soon after there is a leading manager, and makes it anew.
func (s *struck) vanishes(object client.Object, tenant, yaml string, lead func() error) error {
	if err := s.vanish(object, tenant); err != nil {
		return err
	}
	if err := lead(); err != nil {
		return err
	}
	from := time.Now()
	for _, at := range s.slots {
		if err := s.isRefused(at, tenant, from); err != nil {
			return err
		}
	}
	s.Logf("%s the calls of %s are refused by all %s after its %T has vanished", clock(time.Now()), tenant, time.Since(from).Round(time.Millisecond), object)
	s.pause(0, 3*time.Second)
	return s.apply(s, yaml)
}

// vanish deletes an object that a controller would hold back.
func (s *struck) vanish(object client.Object, name string) error {
	for range 100 {
		if err := s.api.Get(s, client.ObjectKey{Namespace: "e2e", Name: name}, object); err != nil {
			return err
		}
		object.SetFinalizers(nil)
		err := s.api.Update(s, object)
		if err == nil {
			version := object.GetResourceVersion()
			err = s.api.Delete(s, object, client.Preconditions{ResourceVersion: &version})
		}
		if err == nil || !apierrors.IsConflict(err) {
			return err
		} // a controller has seen it meanwhile
	}
	return fmt.Errorf("%T %s has a finalizer again and again", object, name)
}

// isRefused waits until an enforcer refuses a tenant's calls.
func (s *struck) isRefused(at *slot, tenant string, from time.Time) error {
	calls := &traffic{client: http.DefaultClient}
	for {
		status := calls.call(s, s.tally, at.serving(), tenant, soakRequest{model: "soak-mini", directives: "output=1"})
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			return nil
		}
		if time.Since(from) > refusedWithin {
			return fmt.Errorf("a call of %s, which has vanished, got %d from enforcer %d %s later", tenant, status, at.number, time.Since(from))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// awaitLeader waits until a manager leads.
func (s *struck) awaitLeader() error {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		for _, manager := range runningManagers() {
			if leads(s, manager) {
				return nil
			}
		}
	}
	return errors.New("no manager leads after a minute")
}
