package events

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// reporter is the controller that reports the Events.
const reporter = "bursar-manager"

// Limits of the API server, in bytes: for a note, for the reporting instance, and for the
// name of an Event without the hash that ends it.
const (
	maxNote     = 1024
	maxInstance = 128
	maxName     = 253 - len(".0123456789abcdef")
)

// Creator creates objects, as a client.Client does.
type Creator interface {
	Create(ctx context.Context, object client.Object, options ...client.CreateOption) error
}

// Recorder records Events, each once.
type Recorder struct {
	api      Creator
	reader   client.Reader
	instance string
}

// NewRecorder makes a Recorder. reader must read from the API server, not from a cache; it
// may be nil if RecordStatusChange is never called.
func NewRecorder(api Creator, reader client.Reader) *Recorder {
	host, _ := os.Hostname()
	instance := reporter + "-" + host
	return &Recorder{api: api, reader: reader, instance: instance[:min(len(instance), maxInstance)]}
}

// Reference refers to an object of a kind of ours.
func Reference(kind string, object metav1.Object) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion:      v1alpha1.GroupVersion.String(),
		Kind:            kind,
		Namespace:       object.GetNamespace(),
		Name:            object.GetName(),
		UID:             object.GetUID(),
		ResourceVersion: object.GetResourceVersion(),
	}
}

// RecordStatusChange records the Events of a change of an object's status, as Record does. If
// the object has changed since it was read, another status may already be there: then it
// records nothing and returns a conflict.
func (r *Recorder) RecordStatusChange(ctx context.Context, kind string, object client.Object, happened []Event) error {
	if len(happened) == 0 {
		return nil
	}
	is := &metav1.PartialObjectMetadata{}
	is.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	err := r.reader.Get(ctx, client.ObjectKeyFromObject(object), is)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %s %s before recording its Events: %w", kind, object.GetName(), err)
	}
	if err != nil || is.ResourceVersion != object.GetResourceVersion() {
		resource := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: kind}
		return apierrors.NewConflict(resource, object.GetName(), errors.New("it has changed since it was read"))
	}
	return r.Record(ctx, Reference(kind, object), happened)
}

// Record records the Events of an object, each once: a transition that any manager has
// recorded before is not recorded again. After an error, some were not recorded, and the
// status that shows their transitions must not be written yet. Events that the API server
// rejects for good, such as in a namespace that is being deleted, are only logged.
func (r *Recorder) Record(ctx context.Context, about corev1.ObjectReference, happened []Event) error {
	for _, event := range happened {
		err := r.api.Create(ctx, r.event(about, event))
		switch {
		case err == nil || apierrors.IsAlreadyExists(err):
		case isFinal(err):
			log.FromContext(ctx).Error(err, "Failed to record an Event", "reason", event.Reason, "note", event.Note)
		default:
			return fmt.Errorf("record Event %s of %s %s: %w", event.Reason, about.Kind, about.Name, err)
		}
	}
	return nil
}

func (r *Recorder) event(about corev1.ObjectReference, event Event) *eventsv1.Event {
	namespace := about.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	name := nameOf(about, event)
	about.FieldPath = event.Field
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: namespace, Name: name},
		EventTime:           metav1.NewMicroTime(time.Now()),
		ReportingController: reporter,
		ReportingInstance:   r.instance,
		Action:              event.Action,
		Reason:              event.Reason,
		Regarding:           about,
		Note:                strings.ToValidUTF8(event.Note[:min(len(event.Note), maxNote)], ""),
		Type:                event.Type,
	}
}

// nameOf is the name of an Event, which is the same for the same transition.
func nameOf(about corev1.ObjectReference, event Event) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(about.UID), event.Reason, event.Field, event.Turn}, "\x00")))
	return fmt.Sprintf("%s.%x", strings.TrimRight(about.Name[:min(len(about.Name), maxName)], ".-"), sum[:8])
}

// isFinal reports whether the API server will answer the same again.
func isFinal(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := int(status.Status().Code); code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return code >= 400 && code < 500
	}
}
