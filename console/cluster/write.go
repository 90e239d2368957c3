package cluster

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is the name under which the API server records the fields that the console has set.
const FieldManager = "bursar-console"

var (
	// ErrStale means that an object has changed since the person who wants to change it saw it.
	ErrStale = errors.New("the object has changed since it was read")
	// ErrMayNot means that the console's service account lacks the right to a change.
	ErrMayNot = errors.New("the console has no right to this change in the cluster")
	// ErrThere means that an object with the name exists already.
	ErrThere = errors.New("there is an object of this name already")
	// ErrNone means that the object does not exist.
	ErrNone = errors.New("there is no such object")
)

// RefusedError means that the API server, or one of Bursar's webhooks, refused a change.
type RefusedError struct {
	// Fields are what is wrong; at least one.
	Fields []FieldError
}

// FieldError is what is wrong with a field of an object, such as spec.limits[0].amount; Field is empty for
// an error about the whole object.
type FieldError struct{ Field, Message string }

func (e *RefusedError) Error() string {
	texts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		texts[i] = strings.TrimPrefix(f.Field+": "+f.Message, ": ")
	}
	return strings.Join(texts, "; ")
}

// Writer changes the cluster on behalf of a person. The API server is told the person's name, so that its
// audit log, and Bursar's webhooks, have it. The Writer does not check whether the person may.
type Writer struct {
	cluster *Cluster
	person  string
	dryRun  bool
}

// By is the Writer of a person.
func (c *Cluster) By(person string) Writer { return Writer{cluster: c, person: Printable(person)} }

// Trying is a Writer that has everything checked and changes nothing.
func (w Writer) Trying() Writer {
	w.dryRun = true
	return w
}

// VersionOf identifies the state of an object's spec. It stays the same while only the status changes.
func VersionOf(object client.Object) string {
	return fmt.Sprintf("%s.%d", object.GetUID(), object.GetGeneration())
}

// Create makes an object, and gives the API server's warnings. It fails with ErrThere,
// ErrMayNot or a *RefusedError.
func (w Writer) Create(ctx context.Context, object client.Object) (warnings []string, err error) {
	ctx, heard := w.begin(ctx)
	options := []client.CreateOption{client.FieldOwner(FieldManager)}
	if w.dryRun {
		options = append(options, client.DryRunAll)
	}
	err = w.cluster.writes.Create(ctx, object, options...)
	return heard.take(), explained(err)
}

// triesOfChange bounds how often a change is tried again because another write, such as one of the status,
// came first.
const triesOfChange = 8

// Change reads the object with a namespace and a name, lets a function change its spec, and writes it. The
// object is then as it was stored. Change fails with a *ManagedError if others manage what is changed,
// with ErrStale if seen is neither empty nor the object's version, with ErrNone, ErrMayNot, a
// *RefusedError, and with what the function fails with.
func (w Writer) Change(ctx context.Context, object client.Object, seen string, change func() error) (warnings []string, err error) {
	for range triesOfChange {
		warnings, err = w.changeOnce(ctx, object, seen, change)
		if !apierrors.IsConflict(err) {
			return warnings, explained(err)
		}
	}
	return nil, ErrStale
}

func (w Writer) changeOnce(ctx context.Context, object client.Object, seen string, change func() error) ([]string, error) {
	if err := w.read(ctx, object, seen); err != nil {
		return nil, err
	}
	before := object.DeepCopyObject().(client.Object)
	if err := change(); err != nil {
		return nil, err
	}
	if equality.Semantic.DeepEqual(before, object) {
		return nil, nil
	}
	if err := w.cluster.unmanaged(before, object); err != nil {
		return nil, err
	}
	ctx, heard := w.begin(ctx)
	options := []client.PatchOption{client.FieldOwner(FieldManager)}
	if w.dryRun {
		options = append(options, client.DryRunAll)
	}
	err := w.cluster.writes.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), options...)
	return heard.take(), err
}

// Delete deletes the object with a namespace and a name, unless others manage it. It fails as Change does.
func (w Writer) Delete(ctx context.Context, object client.Object, seen string) (warnings []string, err error) {
	for range triesOfChange {
		warnings, err = w.deleteOnce(ctx, object, seen)
		if !apierrors.IsConflict(err) {
			return warnings, explained(err)
		}
	}
	return nil, ErrStale
}

func (w Writer) deleteOnce(ctx context.Context, object client.Object, seen string) ([]string, error) {
	if err := w.read(ctx, object, seen); err != nil {
		return nil, err
	}
	if err := w.cluster.unmanaged(object, nil); err != nil {
		return nil, err
	}
	ctx, heard := w.begin(ctx)
	options := []client.DeleteOption{client.Preconditions{UID: ptr.To(object.GetUID()), ResourceVersion: ptr.To(object.GetResourceVersion())}}
	if w.dryRun {
		options = append(options, client.DryRunAll)
	}
	err := w.cluster.writes.Delete(ctx, object, options...)
	return heard.take(), err
}

// List lists objects of a namespace as they are now, past the cache. It fails with ErrMayNot.
func (w Writer) List(ctx context.Context, objects client.ObjectList, namespace string) error {
	ctx, _ = w.begin(ctx)
	return explained(w.cluster.writes.List(ctx, objects, client.InNamespace(namespace)))
}

// Read reads the object with a namespace and a name as it is now. It fails with ErrNone or ErrMayNot.
func (w Writer) Read(ctx context.Context, object client.Object) error {
	return explained(w.read(ctx, object, ""))
}

// read reads an object as it is now, past the cache.
func (w Writer) read(ctx context.Context, object client.Object, seen string) error {
	ctx, _ = w.begin(ctx)
	key := client.ObjectKeyFromObject(object)
	reflect.ValueOf(object).Elem().SetZero() // nothing of an earlier attempt must stay
	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	if err := w.cluster.writes.Get(ctx, key, object); err != nil {
		return err
	}
	if !object.GetDeletionTimestamp().IsZero() {
		return ErrNone
	}
	if seen != "" && seen != VersionOf(object) {
		return ErrStale
	}
	return nil
}

// explained turns an error of the API server into one of this package.
func explained(err error) error {
	var status apierrors.APIStatus
	switch {
	case err == nil, !errors.As(err, &status):
		return err
	case apierrors.IsNotFound(err):
		return ErrNone
	case apierrors.IsAlreadyExists(err):
		return ErrThere
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: %w", ErrMayNot, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return refusedBy(status.Status())
	}
	return err
}

func refusedBy(status metav1.Status) error {
	refused := &RefusedError{}
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			refused.Fields = append(refused.Fields, FieldError{cause.Field, cause.Message})
		}
	}
	if len(refused.Fields) == 0 {
		refused.Fields = []FieldError{{"", status.Message}}
	}
	return refused
}

// maxPerson bounds a person's name in a request, in characters.
const maxPerson = 300

// Printable is a person's name as a header field of HTTP and a log may have it: of bounded length, and
// with unprintable characters replaced.
func Printable(text string) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '\uFFFD'
		}
	}
	return strings.TrimSpace(string(runes[:min(len(runes), maxPerson)]))
}
