package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// resources are the objects that limits are compiled from.
type resources struct {
	budgets  []v1alpha1.TenantBudget
	policies []v1alpha1.RateLimitPolicy
	// labelsOf finds the labels of namespaces, by which policies may select budgets.
	labelsOf reach.LabelsOf
}

// readResources reads the TenantBudgets and RateLimitPolicies of a file. Those without a
// namespace get the given one. Other kinds are left out, and reported to left.
func readResources(r io.Reader, namespace string, left func(kind, name string)) (resources, error) {
	var all resources
	documents := yamlreader.NewYAMLReader(bufio.NewReader(r))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil && len(bytes.TrimSpace(document)) > 0 {
			err = all.add(document, namespace, left)
		}
		if err != nil {
			return resources{}, fmt.Errorf("document %d: %w", n, err)
		}
	}
}

func (r *resources) add(document []byte, namespace string, left func(kind, name string)) error {
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &object); err != nil {
		return err
	}
	switch {
	case object.Kind == "" && object.Name == "":
		return nil // only comments
	case object.Kind == "List" && object.APIVersion == "v1":
		return r.addList(document, namespace, left)
	}
	if object.APIVersion != v1alpha1.GroupVersion.String() {
		left(object.Kind, object.Name)
		return nil
	}
	switch object.Kind {
	case "TenantBudget":
		var budget v1alpha1.TenantBudget
		if err := unmarshal(document, &budget); err != nil {
			return fmt.Errorf("TenantBudget %s: %w", object.Name, err)
		}
		setDefaultLadder(&budget)
		budget.Namespace = cmp.Or(budget.Namespace, namespace)
		r.budgets = append(r.budgets, budget)
	case "RateLimitPolicy":
		var policy v1alpha1.RateLimitPolicy
		if err := unmarshal(document, &policy); err != nil {
			return fmt.Errorf("RateLimitPolicy %s: %w", object.Name, err)
		}
		policy.Namespace = cmp.Or(policy.Namespace, namespace)
		r.policies = append(r.policies, policy)
	default:
		left(object.Kind, object.Name)
	}
	return nil
}

// addList adds the objects of a List, as kubectl get -o yaml prints several.
func (r *resources) addList(document []byte, namespace string, left func(kind, name string)) error {
	var list metav1.List
	if err := yaml.Unmarshal(document, &list); err != nil {
		return err
	}
	for _, item := range list.Items {
		if err := r.add(item.Raw, namespace, left); err != nil {
			return err
		}
	}
	return nil
}

func readResourceFile(path string, stdin io.Reader, namespace string, left func(kind, name string)) (resources, error) {
	from := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return resources{}, err
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	read, err := readResources(from, namespace, left)
	if err != nil {
		return resources{}, fmt.Errorf("%s, %w", path, err)
	}
	if len(read.budgets)+len(read.policies) == 0 {
		return resources{}, fmt.Errorf("%s contains no TenantBudget and no RateLimitPolicy to replay", path)
	}
	return read, nil
}

// over are the resources of both; if both have a name, r's resource is taken.
func (r resources) over(others resources) resources {
	return resources{
		budgets:  over(r.budgets, others.budgets, func(b *v1alpha1.TenantBudget) client.ObjectKey { return client.ObjectKeyFromObject(b) }),
		policies: over(r.policies, others.policies, func(p *v1alpha1.RateLimitPolicy) client.ObjectKey { return client.ObjectKeyFromObject(p) }),
		labelsOf: others.labelsOf,
	}
}

func over[T any](objects, others []T, key func(*T) client.ObjectKey) []T {
	all := slices.Clone(objects)
	for _, other := range others {
		if !slices.ContainsFunc(objects, func(o T) bool { return key(&o) == key(&other) }) {
			all = append(all, other)
		}
	}
	return all
}

// changedBy are the keys of the budgets that are among the changed resources, or that changed
// policies apply to.
func (r resources) changedBy(changed resources) ([]client.ObjectKey, error) {
	var keys []client.ObjectKey
	add := func(key client.ObjectKey) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for i := range changed.budgets {
		add(client.ObjectKeyFromObject(&changed.budgets[i]))
	}
	for i := range changed.policies {
		policy := &changed.policies[i]
		if ref := policy.Spec.TargetRef; ref != nil {
			add(client.ObjectKey{Namespace: policy.Namespace, Name: ref.Name})
			continue
		}
		targets, err := r.selectedBy(policy)
		if err != nil {
			return nil, err
		}
		for _, target := range targets {
			add(target)
		}
	}
	return keys, nil
}

// selectedBy are the keys of the budgets that a policy selects; it is an error if there are
// none.
func (r resources) selectedBy(policy *v1alpha1.RateLimitPolicy) ([]client.ObjectKey, error) {
	var keys []client.ObjectKey
	for i := range r.budgets {
		applies, err := r.applies(policy, &r.budgets[i])
		if err != nil {
			return nil, err
		}
		if applies {
			keys = append(keys, client.ObjectKeyFromObject(&r.budgets[i]))
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	why := "it selects no TenantBudget in the file or in the cluster"
	if policy.Spec.TargetSelector.ReachesBeyond() {
		why += fmt.Sprintf("; to select in other namespaces, its namespace %s must be labelled %s=true", policy.Namespace, v1alpha1.DelegatedLabel)
	}
	return nil, fmt.Errorf("RateLimitPolicy %s: spec.targetSelector: %s", client.ObjectKeyFromObject(policy), why)
}

func (r resources) applies(policy *v1alpha1.RateLimitPolicy, budget *v1alpha1.TenantBudget) (bool, error) {
	applies, err := reach.Applies(policy, budget, r.labelsOf)
	if err != nil {
		return false, fmt.Errorf("RateLimitPolicy %s selects by the labels of namespaces: %w", client.ObjectKeyFromObject(policy), err)
	}
	return applies, nil
}

func (r resources) budget(key client.ObjectKey) (*v1alpha1.TenantBudget, error) {
	if budget := r.find(key); budget != nil {
		return budget, nil
	}
	return nil, fmt.Errorf("TenantBudget %s is neither in the file nor in the cluster", key)
}

// find is the budget with the key; nil if it is neither in the file nor in the cluster.
func (r resources) find(key client.ObjectKey) *v1alpha1.TenantBudget {
	for i := range r.budgets {
		if client.ObjectKeyFromObject(&r.budgets[i]) == key {
			return &r.budgets[i]
		}
	}
	return nil
}

func (r resources) policiesOf(budget *v1alpha1.TenantBudget) ([]v1alpha1.RateLimitPolicy, error) {
	var policies []v1alpha1.RateLimitPolicy
	for i := range r.policies {
		applies, err := r.applies(&r.policies[i], budget)
		if err != nil {
			return nil, err
		}
		if applies {
			policies = append(policies, r.policies[i])
		}
	}
	return policies, nil
}

// check reports what is wrong with the resources by themselves. It is needed because
// compiling leaves a wrong policy out.
func (r resources) check() error {
	var errs []error
	for i := range r.policies {
		policy := &r.policies[i]
		_, found := compile.Policy(policy, policy.Namespace)
		if (policy.Spec.TargetRef == nil) == (policy.Spec.TargetSelector == nil) {
			found = append(found, field.Invalid(field.NewPath("spec"), "", "must set exactly one of targetRef and targetSelector"))
		}
		errs = append(errs, wrong("RateLimitPolicy", policy, found))
	}
	for i := range r.budgets {
		_, found := compile.Tenant(&r.budgets[i], nil, nil)
		errs = append(errs, wrong("TenantBudget", &r.budgets[i], found))
	}
	return errors.Join(errs...)
}

func wrong(kind string, object client.Object, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%s %s: %w", kind, client.ObjectKeyFromObject(object), errs.ToAggregate())
}

// parent is the budget with the key of a parent, or the successor that it was handed over to.
func (r resources) parent(key client.ObjectKey) (*v1alpha1.TenantBudget, error) {
	parent, err := r.budget(key)
	if err != nil {
		return nil, err
	}
	return parent.Governing(func(key client.ObjectKey) (*v1alpha1.TenantBudget, error) { return r.find(key), nil })
}

// compile compiles the document of a budget, under its parents. It leaves grants out: those
// of the past are on record.
func (r resources) compile(budget *v1alpha1.TenantBudget) (limiterv1.Tenant, error) {
	var ancestors []compile.Ancestor
	way := []string{client.ObjectKeyFromObject(budget).String()}
	for at := budget; at.Spec.ParentRef != nil; {
		key := at.ParentKey()
		isCycle := slices.Contains(way, key.String())
		way = append(way, key.String())
		if isCycle || len(ancestors) == limiterv1.MaxDepth {
			return limiterv1.Tenant{}, fmt.Errorf("TenantBudget %s: spec.parentRef: must neither form a cycle nor have more than %d levels: %s",
				way[0], limiterv1.MaxDepth, strings.Join(way, " -> "))
		}
		parent, err := r.parent(key)
		if err != nil {
			return limiterv1.Tenant{}, fmt.Errorf("TenantBudget %s: spec.parentRef: %w", way[0], err)
		}
		policies, err := r.policiesOf(parent)
		if err != nil {
			return limiterv1.Tenant{}, err
		}
		ancestor, errs := compile.NewAncestor(parent, policies, nil)
		if len(errs) > 0 {
			return limiterv1.Tenant{}, wrong("TenantBudget", parent, errs)
		}
		ancestors, at = append(ancestors, ancestor), parent
	}
	policies, err := r.policiesOf(budget)
	if err != nil {
		return limiterv1.Tenant{}, err
	}
	document, errs := compile.Tenant(budget, policies, nil, ancestors...)
	return document, wrong("TenantBudget", budget, errs)
}
