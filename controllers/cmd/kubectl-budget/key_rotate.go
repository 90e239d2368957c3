package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// dryRunClient is the value of --dry-run that changes nothing, as kubectl has it.
const dryRunClient = "client"

// keyChange is how a command changes an existing APIKey.
type keyChange struct {
	// file is the file to read the APIKey from; empty for the cluster.
	file, dryRun, format string
}

// addFlags adds the flags that say where the APIKey is, and where to write the changed one.
func (k *keyChange) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&k.file, "file", "f", "", "read the APIKey from this file (- is standard input) and write it, changed, to standard output, instead of changing the cluster")
	flags.StringVar(&k.dryRun, "dry-run", "none", `"client" writes the changed APIKey to standard output, for Git, and does not change the cluster`)
	completeWith(cmd, "dry-run", []string{"none", dryRunClient})
	addOutput(cmd, &k.format, formatYAML, formatJSON)
}

// check finds what is wrong with the flags.
func (k *keyChange) check() error {
	if k.dryRun != "none" && k.dryRun != dryRunClient {
		return usageError{fmt.Errorf("--dry-run is %q: it must be none or client", k.dryRun)}
	}
	return nil
}

// prints reports whether the APIKey is written to standard output rather than to the cluster.
func (k *keyChange) prints() bool { return k.file != "" || k.dryRun == dryRunClient }

// read reads the APIKey with the name.
func (k *keyChange) read(cmd *cobra.Command, c *cluster, name string) (*v1alpha1.APIKey, error) {
	namespace, err := c.namespace()
	if err != nil {
		return nil, err
	}
	if k.file != "" {
		return k.readFile(cmd, namespace, name)
	}
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	key := &v1alpha1.APIKey{}
	err = api.Get(cmd.Context(), client.ObjectKey{Namespace: namespace, Name: name}, key)
	if apierrors.IsNotFound(err) {
		return nil, noKey(cmd.Context(), api, namespace, name)
	}
	if err != nil {
		return nil, mended(err)
	}
	return key, nil
}

// noKey is the error for a missing APIKey, with the names of those that exist.
func noKey(ctx context.Context, api client.Client, namespace, name string) error {
	var keys v1alpha1.APIKeyList
	if err := api.List(ctx, &keys, client.InNamespace(namespace)); err != nil {
		return mended(err)
	}
	var names []string
	for _, key := range keys.Items {
		names = append(names, key.Name)
	}
	if len(names) == 0 {
		return fmt.Errorf("namespace %s has no APIKey: select another namespace with -n", namespace)
	}
	return fmt.Errorf("namespace %s has no APIKey %s%s", namespace, name, verdict.DidYouMeanOr("; it has ", name, names))
}

func (k *keyChange) readFile(cmd *cobra.Command, namespace, name string) (*v1alpha1.APIKey, error) {
	objects, err := readFile(k.file, cmd.InOrStdin(), namespace)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if key, isKey := object.(*v1alpha1.APIKey); isKey && key.Name == name {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s has no APIKey %s", k.file, name)
}

// write writes the changed APIKey where it belongs. The API server refuses it if somebody
// else has changed it meanwhile.
func (k *keyChange) write(ctx context.Context, cmd *cobra.Command, c *cluster, key *v1alpha1.APIKey) error {
	if k.prints() {
		return writeManifest(cmd.OutOrStdout(), k.format, "APIKey", key, key.Spec)
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	return mended(api.Update(ctx, key, client.FieldOwner("kubectl-budget")))
}

type rotateOptions struct {
	keyChange
	overlap, keyFile string
}

func newKeyRotate(c *cluster) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate NAME [--overlap LENGTH]",
		Short: "Replace an API key with a new one, while both work",
		Long: `Replace the key of an APIKey with a new one of 256 random bits. The previous key keeps
working until the overlap ends. Both belong to the same user, and count against the same
limits. status.keys of the APIKey says when each was last used.

This changes the cluster. The new key is shown once, on standard output, or written to a
new file that only its owner can read (--key-file); only its hash leaves this machine. With
--dry-run=client, or -f, the changed APIKey is written to standard output, for Git, and
the key is shown on standard error.`,
		Example: `  kubectl budget key rotate ci --overlap 7d --key-file ci.key
  kubectl budget key rotate ci -f ci.yaml > new.yaml`,
		Args:              exactly(1, "the name of one APIKey"),
		ValidArgsFunction: c.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeyRotate(cmd, c, o, args[0])
		},
	}
	o.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.overlap, "overlap", "24h", "how long the previous key keeps working, such as 24h or 7d; 0 ends it at once")
	flags.StringVar(&o.keyFile, "key-file", "", "write the key to this new file instead of showing it")
	return cmd
}

func runKeyRotate(cmd *cobra.Command, c *cluster, o rotateOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	overlap, err := parseOverlap(o.overlap)
	if err != nil {
		return err
	}
	object, err := o.read(cmd, c, name)
	if err != nil {
		return err
	}
	now := time.Now()
	if ended := object.Spec.ExpiresAt; ended != nil && !ended.After(now) {
		return fmt.Errorf("APIKey %s/%s has ended (spec.expiresAt: %s), and so would the new key: make another APIKey with "+
			"kubectl budget key create, or remove spec.expiresAt and rotate with --overlap 0, so that the previous key does not work again",
			object.Namespace, object.Name, moment(ended.Time))
	}
	key, hash := limiterv1.MakeKey(object.Namespace)
	until, ok := object.Spec.ReplaceKey(hash, overlap, now)
	if !ok {
		return fmt.Errorf("spec.previousKeys: %d keys that were replaced still work, which is the maximum: "+
			"end them with kubectl budget key revoke --previous", v1alpha1.MaxPreviousKeys)
	}
	if err := keepKey(o.keyFile, key); err != nil {
		return err
	}
	if err := o.write(cmd.Context(), cmd, c, object); err != nil {
		return errors.Join(err, loseKey(o.keyFile, err))
	}
	switch {
	case overlap > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "The previous key works until %s.\n", moment(until.Time))
	case o.prints():
		fmt.Fprintln(cmd.ErrOrStderr(), "The previous key works until this is applied.")
	default:
		fmt.Fprintln(cmd.ErrOrStderr(), "The previous key no longer works.")
	}
	switch {
	case o.keyFile != "":
	case o.prints():
		fmt.Fprintf(cmd.ErrOrStderr(), "The new API key of %s, shown only once:\n\n  %s\n\n", object.Spec.User, key)
	default:
		fmt.Fprintln(cmd.OutOrStdout(), key)
	}
	return nil
}

// parseOverlap reads how long two keys work at once.
func parseOverlap(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	overlap, err := parseLength(text)
	if err != nil || overlap < 0 {
		return 0, usageError{fmt.Errorf("--overlap %q must be 0 or a duration such as 24h or 7d", text)}
	}
	return overlap, nil
}

func newKeyRevoke(c *cluster) *cobra.Command {
	var o keyChange
	var previous bool
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "End an API key at once, or the keys that it has replaced",
		Long: `End the key of an APIKey at once, and the keys that it has replaced: expiresAt becomes now,
and callers are told that the key has expired. The APIKey stays, because the ledger refers
to it; delete it when nobody needs it any more. With --previous, end only the replaced keys.

This changes the cluster. With --dry-run=client, or -f, the changed APIKey is written to
standard output instead, for Git. If the APIKey comes from Git, change it there, too, or
the GitOps controller brings the key back.`,
		Example: `  kubectl budget key revoke ci
  kubectl budget key revoke ci --previous -f ci.yaml > new.yaml`,
		Args:              exactly(1, "the name of one APIKey"),
		ValidArgsFunction: c.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeyRevoke(cmd, c, o, previous, args[0])
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&previous, "previous", false, "end only the keys that were replaced")
	return cmd
}

func runKeyRevoke(cmd *cobra.Command, c *cluster, o keyChange, previous bool, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	object, err := o.read(cmd, c, name)
	if err != nil {
		return err
	}
	if previous {
		object.Spec.PreviousKeys = nil
	} else {
		now := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
		object.Spec.ExpiresAt = &now
	}
	if err := o.write(cmd.Context(), cmd, c, object); err != nil {
		return err
	}
	switch {
	case o.prints():
	case previous:
		fmt.Fprintf(cmd.ErrOrStderr(), "The keys that %s/%s has replaced are revoked; its current key keeps working.\n", object.Namespace, object.Name)
	default:
		fmt.Fprintf(cmd.ErrOrStderr(), "%s/%s revoked\n", object.Namespace, object.Name)
	}
	return nil
}

// completeKeys completes the name of one APIKey.
func (c *cluster) completeKeys(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.complete(cmd, &v1alpha1.APIKeyList{}, prefix)
}
