package rollout

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// StoreTimeout bounds how long all phases together wait for the stores before the status
// is written, and each phase after that: a status that says that a store is away must not
// itself wait for the store.
const StoreTimeout = 5 * time.Second

// Object is an object of any of the kinds.
type Object interface {
	client.Object
	conditions.Object
}

// Scope is what the phases of one reconcile know, of whatever kind the object is. A
// kind's own scope embeds it.
type Scope[O Object] struct {
	Object O
	// Now is the time at which the reconcile began, by this machine's clock.
	Now time.Time
	// Accepted says whether the object may take effect. It is Unknown until a phase has
	// decided.
	Accepted verdict.Verdict
	// Warning says whether something in the spec looks like a mistake. It is Unknown until a
	// phase has found out.
	Warning verdict.Verdict
	// Rollout is how far the object's generation has got. The reconciler sets its Err
	// after all phases before the status.
	Rollout conditions.Rollout
	// Withdrawn is set if nothing of the object is in force any more although it still
	// exists: its finalizer is then removed at once.
	Withdrawn bool
	// StatusDelay is how long the write of a changed status is delayed; zero if the
	// status is up to date.
	StatusDelay time.Duration

	// storeDeadline is until when phases may wait for stores; zero before the first has asked.
	storeDeadline time.Time
}

func (s *Scope[O]) common() *Scope[O] { return s }

// WarningCondition is the condition Warning.
func (s *Scope[O]) WarningCondition() conditions.Typed {
	return conditions.Typed{Type: v1alpha1.ConditionWarning, Verdict: s.Warning}
}

// StoreContext is the context in which a phase before the status asks the stores. Its
// deadline is the same for all of them: StoreTimeout after the first has begun to ask.
func (s *Scope[O]) StoreContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.storeDeadline.IsZero() {
		s.storeDeadline = time.Now().Add(StoreTimeout)
	}
	return context.WithDeadline(ctx, s.storeDeadline)
}

// Awaited is the rollout whose progress has the object reconciled again: its own.
func (s *Scope[O]) Awaited() conditions.Rollout { return s.Rollout }

// KindScope is one reconcile of an object of one kind, with statuses of type T.
type KindScope[O Object, T any] interface {
	// common and Awaited are Scope's. A kind may have its own Awaited.
	common() *Scope[O]
	Awaited() conditions.Rollout
	// Statuses returns the status that the object has, and the observed one, which has
	// every condition of the kind, whichever phases have failed.
	Statuses() (before, after T)
	// Events returns the Events of the change from one status to the next.
	Events(before, after T) []events.Event
	// RequeueAfter is the pause until the object is reconciled again without a cause.
	RequeueAfter() time.Duration
}

// Phase is a step of a reconcile.
type Phase[S any] struct {
	// Name is what errors of the phase begin with.
	Name string
	Run  func(ctx context.Context, scope S) error
	// Needs are the names of earlier phases whose results this one needs. If one of them
	// has failed, this phase is skipped and counts as failed.
	Needs []string
	// Programs is set if the condition Programmed is unknown when the phase fails.
	Programs bool
}

// Recorder records the Events of a change of a status.
type Recorder interface {
	RecordStatusChange(ctx context.Context, kind string, object client.Object, happened []events.Event) error
}

// WaitingList remembers which objects wait for the enforcers.
type WaitingList interface {
	Note(object client.Object, rollout conditions.Rollout)
}

// Kind is how objects of one kind are reconciled, with statuses of type T and scopes of
// type S.
type Kind[O Object, T any, S KindScope[O, T]] struct {
	// Name is the name of the kind, such as TenantBudget.
	Name     string
	Client   client.Client
	Recorder Recorder
	Clock    clock.PassiveClock
	Waiting  WaitingList
	// Debouncer delays statuses of generations that are about to be programmed; nil to
	// write each at once.
	Debouncer *Debouncer
	// RateLimiter limits the writes of statuses that differ only in figures, as Figures
	// reports; nil to write each at once.
	RateLimiter *StatusRateLimiter
	Figures     func(before, after T) bool
	// NewScope makes the scope of one reconcile.
	NewScope func(Scope[O]) S
	// Withdraw withdraws what an object that is being deleted, or was deleted, has programmed,
	// except what another object has programmed since, and forgets the object. It reports
	// whether anything was withdrawn. It is nil for kinds that program nothing by themselves.
	Withdraw func(ctx context.Context, object O) (withdrawn bool, err error)
	// Orphans withdraws what objects have programmed that were deleted without Withdraw. It
	// is required if Withdraw is set.
	Orphans Orphans
	// Phases run before the status is written. PhasesAfterStatus run after it, for what
	// neither the status nor enforcement depends on, and see Rollout.Err.
	Phases, PhasesAfterStatus []Phase[S]
}

// Reconciler reconciles the objects of one kind.
type Reconciler[O Object, T any, S KindScope[O, T]] struct {
	kind Kind[O, T, S]
	// write writes a status, and returns the resource version that the object has then.
	write func(ctx context.Context, object client.Object, status any) (resourceVersion string, err error)
	// written has the resource versions of objects since this manager wrote their statuses or
	// finalizers, until the cache has them. An older version must not be reconciled: compared with
	// its status, there may seem to be nothing to write, and the written status would stay although
	// it is no longer true; and adding the finalizer again would be a conflict.
	written  sync.Map // types.NamespacedName -> writtenVersion
	departed departures[O]
}

// writtenVersion is the resource version that an object has since it was written last.
type writtenVersion struct {
	uid             types.UID
	resourceVersion string
}

// NewReconciler makes a Reconciler. It panics if a phase needs one that is not before it.
func NewReconciler[O Object, T any, S KindScope[O, T]](kind Kind[O, T, S]) *Reconciler[O, T, S] {
	orphansWithdrawn.WithLabelValues(kind.Name) // exports a zero from the start
	earlier := map[string]bool{}
	for _, phase := range append(kind.Phases[:len(kind.Phases):len(kind.Phases)], kind.PhasesAfterStatus...) {
		for _, needed := range phase.Needs {
			if !earlier[needed] {
				panic(fmt.Sprintf("%s: phase %q needs %q, which is not before it", kind.Name, phase.Name, needed))
			}
		}
		earlier[phase.Name] = true
	}
	kind.PhasesAfterStatus = append(slices.Clip(kind.PhasesAfterStatus), release[S](kind.Client))
	return &Reconciler[O, T, S]{kind: kind, write: func(ctx context.Context, object client.Object, status any) (string, error) {
		return ApplyStatus(ctx, kind.Client, object, status)
	}}
}

// Complete makes the builder's manager run the reconciler.
func (r *Reconciler[O, T, S]) Complete(b *builder.Builder) error {
	if r.kind.Withdraw != nil {
		b = b.Watches(newObject[O](), r.departed.handler())
	}
	b = b.Watches(newObject[O](), enqueueUndetermined)
	return b.WithOptions(options()).Complete(traced(r.kind.Name, beginningAnew(reconcile.Func(r.reconcileNamed))))
}

// reconcileNamed withdraws what earlier objects of the name have left, and then reconciles the
// object that has it now, if there is one.
func (r *Reconciler[O, T, S]) reconcileNamed(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if err := r.withdrawDeparted(ctx, request.NamespacedName); err != nil {
		return reconcile.Result{}, err
	}
	object := newObject[O]()
	if err := r.kind.Client.Get(ctx, request.NamespacedName, object); err != nil {
		if apierrors.IsNotFound(err) {
			r.written.Delete(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	return r.Reconcile(ctx, object)
}

func newObject[O Object]() O { return reflect.New(reflect.TypeFor[O]().Elem()).Interface().(O) }

// Reconcile takes an object through its phases. A conflict ends it at once: the object
// has changed, or was deleted, since it was read, and has to be read anew.
func (r *Reconciler[O, T, S]) Reconcile(ctx context.Context, object O) (reconcile.Result, error) {
	if !object.GetDeletionTimestamp().IsZero() {
		r.written.Delete(client.ObjectKeyFromObject(object))
		return reconcile.Result{}, r.finalize(ctx, object)
	}
	if r.isStale(object) {
		return reconcile.Result{RequeueAfter: stale}, nil
	}
	scope := r.kind.NewScope(Scope[O]{
		Object: object, Now: r.kind.Clock.Now(), Accepted: conditions.Undetermined("whether the object is valid"),
		Warning: conditions.Undetermined("whether something in the spec looks like a mistake"),
	})
	failed := failures{}
	if err := r.runPhases(ctx, scope, r.kind.Phases, &failed); err != nil {
		return reconcile.Result{}, err
	}
	scope.common().Rollout.Err = errors.Join(failed.programming...)
	if err := r.updateStatus(ctx, scope); apierrors.IsConflict(err) {
		return reconcile.Result{}, err
	} else if err != nil {
		failed.add("status", err)
	}
	if err := r.runPhases(ctx, scope, r.kind.PhasesAfterStatus, &failed); err != nil {
		return reconcile.Result{}, err
	}
	r.kind.Waiting.Note(object, scope.Awaited())
	return requeueAfter(scope.RequeueAfter(), errors.Join(failed.errs...))
}

// runPhases runs phases, and notes the object's new version if they have written it.
func (r *Reconciler[O, T, S]) runPhases(ctx context.Context, scope S, phases []Phase[S], failed *failures) error {
	object := scope.common().Object
	read := object.GetResourceVersion()
	err := run(ctx, scope, phases, failed)
	if written := object.GetResourceVersion(); written != read {
		r.noteWritten(object, written)
	}
	return err
}

// failures are the errors of the phases of one reconcile.
type failures struct {
	// of has the errors by the names of the phases, errs all of them in order, and
	// programming those that leave unknown how far the object has got.
	of                map[string]error
	errs, programming []error
}

func (f *failures) add(phase string, err error) {
	f.errs = append(f.errs, fmt.Errorf("%s: %w", phase, err))
}

// ofAny is the error of the first of the phases that has failed.
func (f *failures) ofAny(phases []string) error {
	for _, phase := range phases {
		if err := f.of[phase]; err != nil {
			return err
		}
	}
	return nil
}

// run runs phases, and notes which have failed. It returns an error only if the
// remaining phases must not run.
func run[S any](ctx context.Context, scope S, phases []Phase[S], failed *failures) error {
	if failed.of == nil {
		failed.of = map[string]error{}
	}
	for _, phase := range phases {
		err := failed.ofAny(phase.Needs)
		if err == nil {
			err = phase.Run(ctx, scope)
			if apierrors.IsConflict(err) {
				return err
			}
			if err != nil {
				failed.add(phase.Name, err)
			}
		}
		failed.of[phase.Name] = err
		if err != nil && phase.Programs {
			failed.programming = append(failed.programming, err)
		}
	}
	return nil
}

// updateStatus writes the status if it has changed, after recording the Events of the
// change.
func (r *Reconciler[O, T, S]) updateStatus(ctx context.Context, scope S) error {
	before, after := scope.Statuses()
	common := scope.common()
	if equality.Semantic.DeepEqual(before, after) {
		r.forgetTurn(common.Object)
		return nil
	}
	if r.kind.Debouncer != nil {
		common.StatusDelay = r.kind.Debouncer.Delay(common.Object, common.Accepted, common.Rollout, common.Now)
		if common.StatusDelay > 0 {
			return nil
		}
	}
	happened := scope.Events(before, after)
	if r.kind.RateLimiter != nil && len(happened) == 0 && r.kind.Figures(before, after) {
		if common.StatusDelay = r.kind.RateLimiter.Delay(common.Object.GetUID(), common.Now); common.StatusDelay > 0 {
			return nil
		}
	}
	r.forgetTurn(common.Object)
	if err := r.kind.Recorder.RecordStatusChange(ctx, r.kind.Name, common.Object, happened); err != nil {
		return err
	}
	resourceVersion, err := r.write(ctx, common.Object, after)
	err = goneIsConflict(common.Object, err)
	if err == nil {
		r.noteWritten(common.Object, resourceVersion)
	}
	return err
}

func (r *Reconciler[O, T, S]) noteWritten(object O, resourceVersion string) {
	r.written.Store(client.ObjectKeyFromObject(object), writtenVersion{object.GetUID(), resourceVersion})
}

// isStale reports whether the object was read from a cache that does not have this manager's
// last write yet.
func (r *Reconciler[O, T, S]) isStale(object O) bool {
	key := client.ObjectKeyFromObject(object)
	found, _ := r.written.Load(key)
	written, ok := found.(writtenVersion)
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), written.resourceVersion)
	if err == nil && order < 0 && written.uid == object.GetUID() {
		return true
	}
	r.written.Delete(key)
	return false
}

func (r *Reconciler[O, T, S]) forgetTurn(object O) {
	if r.kind.RateLimiter != nil {
		r.kind.RateLimiter.Forget(object.GetUID())
	}
}
