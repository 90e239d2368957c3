package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// cluster is the cluster that kubectl's flags name.
type cluster struct {
	config *genericclioptions.ConfigFlags
}

// namespace is the namespace that flags name or, without one, that of the kubeconfig's
// context.
func (c *cluster) namespace() (string, error) {
	namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
	return namespace, err
}

func (c *cluster) client() (client.Client, error) {
	// Without this, the library would keep the API server's warnings to itself.
	return c.clientWith(rest.NewWarningWriter(os.Stderr, rest.WarningWriterOptions{Deduplicate: true}))
}

// warnings are those that the API server gave.
type warnings []string

// HandleWarningHeader adds a warning.
func (w *warnings) HandleWarningHeader(code int, _ string, text string) {
	if code == 299 {
		*w = append(*w, text)
	}
}

// clientWith is a client that hands warnings to a handler.
func (c *cluster) clientWith(heard rest.WarningHandler) (client.Client, error) {
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: select a cluster with --kubeconfig, --context or KUBECONFIG", err)
	}
	config.WarningHandler = heard
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// newScheme makes a scheme with the kinds of Bursar.
func newScheme() (*kruntime.Scheme, error) {
	scheme := kruntime.NewScheme()
	return scheme, v1alpha1.AddToScheme(scheme)
}

// budgets are the TenantBudgets of a namespace, or of all namespaces if it is empty. If
// names are given, it returns these, and an error if one does not exist.
func (c *cluster) budgets(ctx context.Context, namespace string, names ...string) ([]v1alpha1.TenantBudget, error) {
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.TenantBudgetList
	if err := api.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, mended(err)
	}
	if len(names) == 0 {
		return list.Items, nil
	}
	var named []v1alpha1.TenantBudget
	for _, name := range names {
		budget, err := pick(list.Items, namespace, name)
		if err != nil {
			return nil, err
		}
		named = append(named, budget)
	}
	return named, nil
}

// pick is the budget with the name, or the only one.
func pick(budgets []v1alpha1.TenantBudget, namespace, name string) (v1alpha1.TenantBudget, error) {
	var names []string
	for _, budget := range budgets {
		if budget.Name == name {
			return budget, nil
		}
		names = append(names, budget.Name)
	}
	switch {
	case len(budgets) == 0:
		return v1alpha1.TenantBudget{}, fmt.Errorf("namespace %s has no TenantBudget: select another namespace with -n", namespace)
	case name != "":
		return v1alpha1.TenantBudget{}, fmt.Errorf("namespace %s has no TenantBudget %s; it has %s", namespace, name, strings.Join(names, ", "))
	case len(budgets) > 1:
		return v1alpha1.TenantBudget{}, usageError{fmt.Errorf("namespace %s has several TenantBudgets: name one of %s after the id of the call", namespace, strings.Join(names, ", "))}
	}
	return budgets[0], nil
}

// mended adds to an error of the cluster how to fix it.
func mended(err error) error {
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%w: Bursar is not installed in this cluster: install it, or select another cluster with --context", err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: ask for permission, or select a namespace of yours with -n", err)
	}
	return err
}

// namespaceList is the kind of a list of namespaces.
var namespaceList = schema.GroupVersionKind{Version: "v1", Kind: "NamespaceList"}

// completeCluster completes the values of kubectl's flags.
func completeCluster(root *cobra.Command, c *cluster) {
	for flag, complete := range map[string]cobra.CompletionFunc{
		"namespace": func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			namespaces := &metav1.PartialObjectMetadataList{}
			namespaces.SetGroupVersionKind(namespaceList)
			return c.complete(cmd, namespaces, prefix)
		},
		"context": func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			config, err := c.config.ToRawKubeConfigLoader().RawConfig()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			var names []string
			for name := range config.Contexts {
				names = append(names, name)
			}
			return starting(names, prefix), cobra.ShellCompDirectiveNoFileComp
		},
	} {
		if err := root.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// completeBudgets completes names of TenantBudgets, at most so many.
func (c *cluster) completeBudgets(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.complete(cmd, &v1alpha1.TenantBudgetList{}, prefix)
	}
}

// complete are the names of the objects of a list, in the namespace that flags name.
func (c *cluster) complete(cmd *cobra.Command, list client.ObjectList, prefix string) ([]string, cobra.ShellCompDirective) {
	api, err := c.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	namespace, err := c.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var in []client.ListOption
	if _, isOfNamespaces := list.(*metav1.PartialObjectMetadataList); !isOfNamespaces {
		in = append(in, client.InNamespace(namespace))
	}
	if err := api.List(cmd.Context(), list, in...); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	_ = meta.EachListItem(list, func(object kruntime.Object) error {
		accessor, err := meta.Accessor(object)
		if err == nil {
			names = append(names, accessor.GetName())
		}
		return err
	})
	return starting(names, prefix), cobra.ShellCompDirectiveNoFileComp
}

// policies are the RateLimitPolicies in the namespaces of budgets.
func (c *cluster) policies(ctx context.Context, budgets tree) ([]v1alpha1.RateLimitPolicy, error) {
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	namespaces := map[string]bool{"": true}
	if budgets.partial != nil {
		delete(namespaces, "")
		for _, budget := range budgets.budgets {
			namespaces[budget.Namespace] = true
		}
	}
	var all []v1alpha1.RateLimitPolicy
	for namespace := range namespaces {
		var list v1alpha1.RateLimitPolicyList
		if err := api.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return nil, mended(err)
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// labelsOf finds the labels of namespaces. It reads them when the first one is asked
// for.
func (c *cluster) labelsOf(ctx context.Context) reach.LabelsOf {
	read := sync.OnceValues(func() (map[string]map[string]string, error) {
		api, err := c.client()
		if err != nil {
			return nil, err
		}
		namespaces := &metav1.PartialObjectMetadataList{}
		namespaces.SetGroupVersionKind(namespaceList)
		if err := api.List(ctx, namespaces); err != nil {
			return nil, mended(err)
		}
		labels := map[string]map[string]string{}
		for _, namespace := range namespaces.Items {
			labels[namespace.Name] = namespace.Labels
		}
		return labels, nil
	})
	return func(namespace string) (map[string]string, error) {
		labels, err := read()
		return labels[namespace], err
	}
}
