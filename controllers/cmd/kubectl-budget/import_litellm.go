package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/litellm"
)

// liteLLMFiles are the files that are read, by what they have.
type liteLLMFiles struct {
	configs, teams, keys, users, budgets []string
	prices                               string
}

func newImportLiteLLM() *cobra.Command {
	var (
		files   liteLLMFiles
		options litellm.Options
		strict  bool
	)
	cmd := &cobra.Command{
		Use:   "litellm -f config.yaml [--teams FILE] [--keys FILE] [--users FILE] [--budgets FILE]",
		Short: "Turn LiteLLM's configuration, teams, keys and budgets into resources",
		Long: `Turn the configuration of a LiteLLM proxy, and its teams, keys, users and budgets as its
API lists them, into Bursar's resources, and print them as YAML: a ModelProvider for each
endpoint and key of model_list, and for each team a Namespace, a TenantBudget, its rate
limits and its API keys, which go on working, because LiteLLM keeps the same hash of them.

What is not carried over, or means something else here, is reported on stderr, a line
each. No key of a provider is read: the last lines say which files the enforcers need.
The cluster is not changed.`,
		Example: `  kubectl budget import litellm -f config.yaml --prices model_prices_and_context_window.json > bursar.yaml
  kubectl budget import litellm -f config.yaml --teams teams.json --keys keys.json --users users.json --budgets budgets.json > bursar.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			if len(files.configs) == 0 {
				return usageError{errors.New("-f is required")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runImportLiteLLM(cmd, files, options, strict) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&files.configs, "file", "f", nil, "LiteLLM's config.yaml; repeat it for files that it includes; - is standard input")
	flags.StringArrayVar(&files.teams, "teams", nil, "the answer of GET /team/list; repeat it for each page")
	flags.StringArrayVar(&files.keys, "keys", nil, "the answer of GET /key/list?return_full_object=true; repeat it for each page")
	flags.StringArrayVar(&files.users, "users", nil, "the answer of GET /user/list; repeat it for each page")
	flags.StringArrayVar(&files.budgets, "budgets", nil, "the answer of GET /budget/list")
	flags.StringVar(&files.prices, "prices", "", "LiteLLM's model_prices_and_context_window.json, for models without prices in model_info")
	flags.StringVar(&options.Tenant, "tenant", "litellm", "the tenant that pays for keys without a team, and the parent of all teams where there is a budget of the whole proxy")
	flags.StringVar(&options.IdentityProvider, "identity-provider", "", "the IdentityProvider with whose tokens members of teams sign in (default: no Memberships)")
	flags.BoolVar(&strict, "strict", false, "fail, and print nothing, if something is not carried over")
	return cmd
}

func runImportLiteLLM(cmd *cobra.Command, files liteLLMFiles, options litellm.Options, strict bool) error {
	closeAll, err := files.open(cmd.InOrStdin(), &options)
	defer closeAll()
	if err != nil {
		return err
	}
	options.Env, options.Now = os.Getenv, time.Now()
	imported, err := litellm.Import(options)
	if err != nil {
		return err
	}
	for _, note := range imported.Notes {
		fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	if strict && len(imported.Notes) > 0 {
		return fmt.Errorf("%d things are not carried over as they are", len(imported.Notes))
	}
	for n, object := range imported.Objects {
		if n > 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "---")
		}
		if err := writeImported(cmd.OutOrStdout(), object); err != nil {
			return err
		}
	}
	sayWhatIsImported(cmd.ErrOrStderr(), imported)
	return nil
}

// open opens the files, and returns what closes them.
func (f liteLLMFiles) open(stdin io.Reader, options *litellm.Options) (closeAll func(), err error) {
	var opened []io.Closer
	closeAll = func() {
		for _, file := range opened {
			_ = file.Close()
		}
	}
	for _, kind := range []struct {
		names []string
		into  *[]litellm.File
	}{{f.configs, &options.Configs}, {f.teams, &options.Teams}, {f.keys, &options.Keys}, {f.users, &options.Users}, {f.budgets, &options.Budgets}} {
		for _, name := range kind.names {
			file, err := openFile(name, stdin)
			if err != nil {
				return closeAll, err
			}
			opened = append(opened, file)
			*kind.into = append(*kind.into, litellm.File{Name: name, Content: file})
		}
	}
	if f.prices == "" {
		return closeAll, nil
	}
	file, err := openFile(f.prices, stdin)
	if err != nil {
		return closeAll, err
	}
	opened = append(opened, file)
	options.Prices = &litellm.File{Name: f.prices, Content: file}
	return closeAll, nil
}

func writeImported(w io.Writer, object client.Object) error {
	switch o := object.(type) {
	case *corev1.Namespace:
		return writeObject(w, formatYAML, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": o.Name}})
	case *v1alpha1.ModelProvider:
		return writeManifest(w, formatYAML, kindOf(o), metav1.Object(o), o.Spec)
	case *v1alpha1.TenantBudget:
		return writeManifest(w, formatYAML, kindOf(o), metav1.Object(o), o.Spec)
	case *v1alpha1.RateLimitPolicy:
		return writeManifest(w, formatYAML, kindOf(o), metav1.Object(o), o.Spec)
	case *v1alpha1.APIKey:
		return writeManifest(w, formatYAML, kindOf(o), metav1.Object(o), o.Spec)
	case *v1alpha1.Membership:
		return writeManifest(w, formatYAML, kindOf(o), metav1.Object(o), o.Spec)
	}
	return fmt.Errorf("%T is no resource", object)
}

// sayWhatIsImported says how much was imported, and what it
// needs.
func sayWhatIsImported(w io.Writer, imported *litellm.Result) {
	counts := map[string]int{}
	for _, object := range imported.Objects {
		if _, isNamespace := object.(*corev1.Namespace); !isNamespace {
			counts[kindOf(object)]++
		}
	}
	var said []string
	for _, kind := range []string{"ModelProvider", "TenantBudget", "RateLimitPolicy", "APIKey", "Membership"} {
		said = append(said, fmt.Sprintf("%s: %d", kind, counts[kind]))
	}
	fmt.Fprintf(w, "%s; not carried over as they are: %d\n", strings.Join(said, ", "), len(imported.Notes))
	files := slices.Sorted(slices.Values(imported.CredentialFiles))
	for _, file := range slices.Compact(files) {
		fmt.Fprintf(w, "put the provider's key into the Secret bursar-provider-credentials: --from-file=%s=FILE\n", file)
	}
}
