package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

type keyOptions struct {
	budget, user, tier, expires, keyFile, format string
	apply                                        bool
}

func newKeyCreate(c *cluster) *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "create NAME --budget BUDGET --user USER --tier TIER",
		Short: "Make an API key and its APIKey for Git",
		Long: `Make an API key of 256 random bits. The APIKey, which contains only the key's hash, is
written to standard output, ready for Git. The key is shown once, on standard error, or
written to a new file that only its owner can read (--key-file). It is stored nowhere
else: to replace a lost key, make another.

A key is bursar_NAMESPACE_ followed by 64 hexadecimal digits, which secret scanners can
find with \bbursar_[a-z0-9-]+_[0-9a-f]{64}\b. It works only in an APIKey in that
namespace: nobody gains by registering its hash elsewhere. The cluster is not changed
unless --apply is set.`,
		Example: `  kubectl budget key create ana --budget acme --user ana@example.com --tier gerente > ana.yaml
  kubectl budget key create ci --budget acme --user ci --tier empleado --expires 720h --key-file ci.key --apply`,
		Args:              exactly(1, "the name of one APIKey"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeyCreate(cmd, c, o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.budget, "budget", "", "TenantBudget in the namespace whose tenant pays")
	flags.StringVar(&o.user, "user", "", "user who calls with the key")
	flags.StringVar(&o.tier, "tier", "", "the user's tier")
	flags.StringVar(&o.expires, "expires", "", `when the key expires: a time such as 2027-01-31T00:00:00Z, or a duration from now, such as 720h or 30d (default: never)`)
	flags.StringVar(&o.keyFile, "key-file", "", "write the key to this new file instead of standard error")
	flags.BoolVar(&o.apply, "apply", false, "also create the APIKey in the cluster")
	addOutput(cmd, &o.format, formatYAML, formatJSON)
	if err := cmd.RegisterFlagCompletionFunc("budget", c.completeBudgets(1<<10)); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func runKeyCreate(cmd *cobra.Command, c *cluster, o keyOptions, name string) error {
	if o.budget == "" || o.user == "" || o.tier == "" {
		return usageError{errors.New("--budget, --user and --tier are required")}
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return usageError{fmt.Errorf("name %q: %s", name, problems[0])}
	}
	expires, err := parseExpiry(o.expires, time.Now())
	if err != nil {
		return err
	}
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	key, hash := limiterv1.MakeKey(namespace)
	object := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.APIKeySpec{
			SHA256: hash, BudgetRef: v1alpha1.BudgetRef{Name: o.budget},
			User: o.user, Tier: v1alpha1.Tier(o.tier), ExpiresAt: expires,
		},
	}
	if err := keepKey(o.keyFile, key); err != nil {
		return err
	}
	if o.apply {
		if err := create(cmd, c, object.DeepCopy()); err != nil {
			return errors.Join(err, loseKey(o.keyFile, err))
		}
	}
	if o.keyFile == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "The API key of %s, shown only once:\n\n  %s\n\n", object.Spec.User, key)
	}
	return writeManifest(cmd.OutOrStdout(), o.format, "APIKey", object, object.Spec)
}

// parseExpiry reads a time, or a duration from now; empty means none.
func parseExpiry(text string, now time.Time) (*metav1.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		length, lengthErr := parseLength(text)
		if lengthErr != nil {
			return nil, usageError{fmt.Errorf("%q must be a time such as 2027-01-31T00:00:00Z or a duration such as 720h or 30d", text)}
		}
		at = now.Add(length)
	}
	if !at.After(now) {
		return nil, usageError{fmt.Errorf("%s is in the past", moment(at))}
	}
	t := metav1.NewTime(at.UTC().Truncate(time.Second))
	return &t, nil
}

// noEffect begins the webhook's warning about an object that has no effect as things are.
const noEffect = "has no effect yet: "

// create makes an object in the cluster, unless it would have no effect there.
func create(cmd *cobra.Command, c *cluster, object client.Object) error {
	var warned warnings
	trial, err := c.clientWith(&warned)
	if err != nil {
		return err
	}
	if err := trial.Create(cmd.Context(), object.DeepCopyObject().(client.Object), client.DryRunAll); err == nil {
		for _, warning := range warned {
			if why, found := strings.CutPrefix(warning, noEffect); found {
				return fmt.Errorf("not created, because it would have no effect: %s", why)
			}
		}
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	err = api.Create(cmd.Context(), object, client.FieldOwner("kubectl-budget"))
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%w: choose another name, or delete it first", err)
	}
	if err != nil {
		return mended(err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s/%s created\n", object.GetNamespace(), object.GetName())
	return nil
}

// keepKey writes the key to the file, if one is named. It must be called before the APIKey is
// created, so that no APIKey exists whose key nobody has.
func keepKey(path, key string) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, key)
	return errors.Join(err, file.Close())
}

// loseKey removes the file of a key that the API server has refused. If the API server gave
// no answer, the APIKey may exist, so the file stays.
func loseKey(path string, refusal error) error {
	var answer apierrors.APIStatus
	if path == "" || !errors.As(refusal, &answer) {
		return nil
	}
	return os.Remove(path)
}

// writeManifest writes an object as people write it: without a status, and without what the
// API server and kubectl add to it.
func writeManifest(w io.Writer, format, kind string, object metav1.Object, spec any) error {
	metadata := map[string]any{"name": object.GetName()}
	if namespace := object.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	if labels := object.GetLabels(); len(labels) > 0 {
		metadata["labels"] = labels
	}
	annotations := maps.Clone(object.GetAnnotations())
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return writeObject(w, format, struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        map[string]any `json:"metadata"`
		Spec            any            `json:"spec"`
	}{metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind}, metadata, spec})
}
