package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// errFlawed means that something in the file is wrong, or can have no effect.
var errFlawed = errors.New("found errors, or something that has no effect: see above")

type checkOptions struct {
	files         []string
	local, strict bool
	ledger        database
}

func newCheck(c *cluster) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check -f FILE...",
		Short: "Find mistakes in YAML before it is applied",
		Long: `Find errors and likely mistakes in the resources of files, before they are applied: what
the webhook would refuse, and what the condition Warning would say. In a directory, all
.yaml, .yml and .json files are read together. Objects that are in no file are read from
the cluster, which is never changed.

Budgets and ModelProviders are compared with those of the cluster, to warn of changes such
as a limit that is raised, removed or already spent, or a ModelProvider that replaces
another. With ` + databaseVariable + `, changed limits are also replayed against the calls of
the last seven days. Bounds of single fields are checked by the API server alone: kubectl
apply --dry-run=server.

The exit code is 1 if something is wrong or has no effect at all, such as a limit on a
model that no ModelProvider lists; with --strict, if there is any warning.`,
		Example: `  kubectl budget check -f acme.yaml
  kubectl budget check -f budgets/ -f keys/
  kustomize build . | kubectl budget check -f - --local --strict`,
		Args: exactly(0, "no arguments except -f FILE"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.files) == 0 {
				return usageError{errors.New("-f is required")}
			}
			return runCheck(cmd, c, o)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.files, "file", "f", nil, "file or directory with the YAML to check, may be repeated; - is standard input")
	flags.BoolVar(&o.local, "local", false, "do not read the cluster")
	o.ledger.addFlag(cmd)
	flags.BoolVar(&o.strict, "strict", false, "exit with code 1 if there is any warning")
	return cmd
}

func runCheck(cmd *cobra.Command, c *cluster, o checkOptions) error {
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	var there []client.Object
	if !o.local {
		if there, err = c.everything(cmd.Context(), cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	inFile, err := readFiles(o.files, cmd.InOrStdin(), namespace)
	if err != nil {
		return err
	}
	reader, err := newObjectReader(cmd.Context(), inFile, there)
	if err != nil {
		return err
	}
	compared := newChanges(reader, there)
	closeIt, err := compared.openLedger(cmd.Context(), o)
	if err != nil {
		return err
	}
	defer closeIt()
	flawed := false
	for _, object := range inFile {
		flaws, err := everyFlaw(cmd.Context(), reader, compared, object, o.local)
		if err != nil {
			return err
		}
		for _, flaw := range flaws {
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", kindOf(object), nameOf(object), flaw)
			flawed = flawed || o.strict || flaw.fatal
		}
	}
	compared.sayWhatIsLeft(cmd.ErrOrStderr(), o.local)
	if flawed {
		return errFlawed
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s checked\n", verdict.Count(len(inFile), "resource"))
	return nil
}

// everyFlaw are the flaws of an object of the file by itself and, unless the cluster must not be
// read, of how it changes what is there.
func everyFlaw(ctx context.Context, reader client.Reader, compared *changes, object client.Object, local bool) ([]flaw, error) {
	if kindOf(object) == "Namespace" {
		return nil, nil
	}
	now := time.Now()
	flaws, err := flawsOf(ctx, reader, object, now)
	if err != nil || local {
		return flaws, err
	}
	warnings, err := compared.of(ctx, object, now)
	for _, text := range warnings {
		flaws = append(flaws, flaw{text: text})
	}
	return flaws, err
}

// readFiles reads the objects of files, and of the files in directories.
func readFiles(paths []string, stdin io.Reader, namespace string) (all []client.Object, err error) {
	files, err := filesIn(paths)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		some, err := readFile(name, stdin, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// filesIn are the files; a directory is replaced by the files in it that kubectl would apply.
func filesIn(paths []string) (files []string, err error) {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			files = append(files, path) // opening it says what is wrong with it
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		before := len(files)
		for _, entry := range entries {
			isRead := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name()))
			if isRead && !entry.IsDir() {
				files = append(files, filepath.Join(path, entry.Name()))
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("directory %s has no .yaml, .yml or .json file: directories in it are not read, so name them with -f", path)
		}
	}
	return files, nil
}

func readFile(path string, stdin io.Reader, namespace string) ([]client.Object, error) {
	file, err := openFile(path, stdin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	objects, err := readObjects(file, namespace)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", path, err)
	}
	return objects, nil
}

func openFile(path string, stdin io.Reader) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(path)
}

// flaw is something that is wrong in a resource, or surely not meant.
type flaw struct {
	text string
	// fatal is whether the resource, or the odd part of it, can have no effect.
	fatal, wrong bool
}

func (f flaw) String() string {
	if f.wrong {
		return "error: " + f.text
	}
	return "warning: " + f.text
}

// flawsOf are what is wrong in an object, given those that a reader has, and what is surely not
// meant.
func flawsOf(ctx context.Context, reader client.Reader, object client.Object, now time.Time) ([]flaw, error) {
	decision, warnings, err := judged(ctx, reader, object, now)
	if err != nil {
		return nil, err
	}
	var flaws []flaw
	if decision.Status == metav1.ConditionFalse {
		for _, why := range decision.Whys() {
			flaws = append(flaws, flaw{text: why, fatal: true, wrong: true})
		}
	}
	for _, w := range warnings {
		flaws = append(flaws, flaw{text: w.String(), fatal: w.NoEffect})
	}
	return flaws, nil
}

// judged is whether an object would have effect, and what in it is surely not meant.
func judged(
	ctx context.Context, reader client.Reader, object client.Object, now time.Time,
) (decision acceptance.Decision, warnings []analysis.Warning, err error) {
	analyzer := analysis.NewAnalyzer(reader, func() time.Time { return now })
	switch object := object.(type) {
	case *v1alpha1.TenantBudget:
		decided, decideErr := acceptance.DecideTenantBudget(ctx, reader, object)
		warnings, err = analyzer.TenantBudget(ctx, object, decided.Document)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	case *v1alpha1.RateLimitPolicy:
		decided, decideErr := acceptance.DecideRateLimitPolicy(ctx, reader, object)
		warnings, err = analyzer.RateLimitPolicy(ctx, object, decided.Targets)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	case *v1alpha1.ModelProvider:
		decided, decideErr := acceptance.DecideModelProvider(ctx, reader, object)
		warnings, err = analyzer.ModelProvider(ctx, object)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	case *v1alpha1.APIKey:
		decided, decideErr := acceptance.DecideAPIKey(ctx, reader, object)
		warnings, err = analyzer.APIKey(ctx, object)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	case *v1alpha1.IdentityProvider:
		decided, decideErr := acceptance.DecideIdentityProvider(ctx, reader, object)
		return decided.Decision, nil, decideErr
	case *v1alpha1.Membership:
		decided, decideErr := acceptance.DecideMembership(ctx, reader, object)
		warnings, err = analyzer.Membership(ctx, object)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	case *v1alpha1.BudgetGrant:
		decided, decideErr := acceptance.DecideBudgetGrant(ctx, reader, object)
		warnings, err = analyzer.BudgetGrant(ctx, object, decided.Budget)
		return decided.Decision, warnings, errors.Join(decideErr, err)
	}
	return decision, nil, fmt.Errorf("not a kind of Bursar: %T", object)
}
