package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// newObject is an empty object of a kind; nil where it is not one of Bursar's.
func newObject(scheme *kruntime.Scheme, kind string) client.Object {
	object, err := scheme.New(v1alpha1.GroupVersion.WithKind(kind))
	if err != nil {
		return nil
	}
	resource, _ := object.(client.Object)
	return resource
}

func kindOf(object client.Object) string {
	if _, isNamespace := object.(*metav1.PartialObjectMetadata); isNamespace {
		return "Namespace"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1alpha1.")
}

// nameOf is "namespace/name", or the name alone.
func nameOf(object client.Object) string {
	return strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

// readObjects reads Bursar's objects in YAML, and namespaces, whose labels decide what objects in
// them may do. Objects without a namespace get the given one. Other kinds are left out.
func readObjects(r io.Reader, namespace string) ([]client.Object, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	var all []client.Object
	documents := yamlreader.NewYAMLReader(bufio.NewReader(r))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		var some []client.Object
		if err == nil && len(bytes.TrimSpace(document)) > 0 {
			some, err = decode(scheme, document, namespace)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		all = append(all, some...)
	}
}

func decode(scheme *kruntime.Scheme, document []byte, namespace string) ([]client.Object, error) {
	var header metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &header); err != nil {
		return nil, err
	}
	switch {
	case header.Kind == "List" && header.APIVersion == "v1":
		return decodeList(scheme, document, namespace)
	case header.Kind == "Namespace" && header.APIVersion == "v1":
		return []client.Object{&header}, nil
	case header.APIVersion != v1alpha1.GroupVersion.String():
		return nil, nil
	}
	object := newObject(scheme, header.Kind)
	if object == nil {
		return nil, nil
	}
	if err := unmarshal(document, object); err != nil {
		return nil, fmt.Errorf("%s %s: %w", header.Kind, header.Name, err)
	}
	switch object := object.(type) {
	case *v1alpha1.ModelProvider:
		object.Spec.Protocol = cmp.Or(object.Spec.Protocol, "OpenAI") // as the CRD has it
	case *v1alpha1.IdentityProvider:
	default:
		object.SetNamespace(cmp.Or(object.GetNamespace(), namespace))
	}
	if budget, is := object.(*v1alpha1.TenantBudget); is {
		setDefaultLadder(budget)
	}
	return []client.Object{object}, nil
}

// setDefaultLadder gives a budget of a file without a ladder the one that the API server would, as the
// CRD has it. An empty ladder stays empty.
func setDefaultLadder(budget *v1alpha1.TenantBudget) {
	if budget.Spec.Ladder == nil {
		budget.Spec.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: v1alpha1.ActionWarn}, {AtPercent: 90, Action: v1alpha1.ActionTrip}}
	}
}

func decodeList(scheme *kruntime.Scheme, document []byte, namespace string) (all []client.Object, err error) {
	var list metav1.List
	if err := yaml.Unmarshal(document, &list); err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		some, err := decode(scheme, item.Raw, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// everything are Bursar's objects in the cluster, and the namespaces. Kinds that the user may not read
// are reported and left out.
func (c *cluster) everything(ctx context.Context, told io.Writer) ([]client.Object, error) {
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	namespaces := &metav1.PartialObjectMetadataList{}
	namespaces.SetGroupVersionKind(namespaceList)
	var all []client.Object
	for _, list := range []client.ObjectList{
		namespaces, &v1alpha1.ModelProviderList{}, &v1alpha1.TenantBudgetList{}, &v1alpha1.RateLimitPolicyList{},
		&v1alpha1.APIKeyList{}, &v1alpha1.BudgetGrantList{}, &v1alpha1.IdentityProviderList{}, &v1alpha1.MembershipList{},
	} {
		err := api.List(ctx, list)
		if apierrors.IsForbidden(err) {
			fmt.Fprintf(told, "not read: %v\n", err)
			continue
		}
		if err != nil {
			return nil, mended(err)
		}
		err = meta.EachListItem(list, func(item kruntime.Object) error {
			all = append(all, item.(client.Object))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// objectReader reads objects that are in memory, as the manager's cache does.
type objectReader struct {
	objects []client.Object
	// indexes are the values of fields, by "kind/field".
	indexes map[string]client.IndexerFunc
}

// aboutToBe is the time of creation of objects that do not exist yet: after all others.
var aboutToBe = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// newObjectReader makes a reader of the objects of a file and of those in the cluster beside them.
// Budgets and IdentityProviders of the file count as accepted, because each is decided on by
// itself.
func newObjectReader(ctx context.Context, inFile, there []client.Object) (*objectReader, error) {
	r := &objectReader{indexes: map[string]client.IndexerFunc{}}
	uids := map[string]client.Object{}
	for _, object := range there {
		uids[kindOf(object)+" "+nameOf(object)] = object
	}
	for _, object := range inFile {
		name := kindOf(object) + " " + nameOf(object)
		succeed(object, uids[name], name)
		delete(uids, name)
		r.objects = append(r.objects, object)
	}
	for _, object := range there {
		if _, left := uids[kindOf(object)+" "+nameOf(object)]; left {
			r.objects = append(r.objects, object)
		}
	}
	return r, index.Register(ctx, r)
}

// succeed makes an object of a file what it is about to be: the existing object, changed, or an object
// that is younger than all others.
func succeed(object, was client.Object, name string) {
	object.SetUID(types.UID(name))
	object.SetCreationTimestamp(metav1.NewTime(aboutToBe))
	if was != nil {
		object.SetUID(was.GetUID())
		object.SetCreationTimestamp(was.GetCreationTimestamp())
	}
	accepted := metav1.Condition{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted}
	switch object := object.(type) {
	case *v1alpha1.TenantBudget:
		if was, is := was.(*v1alpha1.TenantBudget); is {
			object.Status.Path = was.Status.Path
		}
		meta.SetStatusCondition(&object.Status.Conditions, accepted)
	case *v1alpha1.IdentityProvider:
		meta.SetStatusCondition(&object.Status.Conditions, accepted)
	}
}

// IndexField stores how to find the values of a field.
func (r *objectReader) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	r.indexes[kindOf(object)+"/"+field] = values
	return nil
}

// Get reads the object with a name.
func (r *objectReader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := kindOf(into)
	for _, object := range r.objects {
		if kindOf(object) == kind && client.ObjectKeyFromObject(object) == key {
			return assign(into, object)
		}
	}
	return apierrors.NewNotFound(corev1.Resource(kind), key.String())
}

// assign copies an object into another one of its kind.
func assign(into, object client.Object) error {
	content, err := kruntime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	return kruntime.DefaultUnstructuredConverter.FromUnstructured(content, into)
}

// List reads the objects of a kind that meet the options.
func (r *objectReader) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	kind := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", into), "*v1alpha1."), "List")
	var items []kruntime.Object
	for _, object := range r.objects {
		if kindOf(object) == kind && r.meets(object, o) {
			items = append(items, object)
		}
	}
	return meta.SetList(into, items)
}

func (r *objectReader) meets(object client.Object, o client.ListOptions) bool {
	if o.Namespace != "" && object.GetNamespace() != o.Namespace {
		return false
	}
	if o.LabelSelector != nil && !o.LabelSelector.Matches(labels.Set(object.GetLabels())) {
		return false
	}
	var requirements fields.Requirements
	if o.FieldSelector != nil {
		requirements = o.FieldSelector.Requirements()
	}
	for _, want := range requirements {
		values := r.indexes[kindOf(object)+"/"+want.Field]
		if values == nil || !slices.Contains(values(object), want.Value) {
			return false
		}
	}
	return true
}
