// Command kubectl-budget is a plugin of kubectl: `kubectl budget ...`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	_ "time/tzdata" // budgets follow the calendars of their zones, wherever this runs

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/bursar-dev/bursar/api/version"
)

// Exit codes, beside 0.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefuses = 3
)

func main() { os.Exit(run(os.Args)) }

// run runs the command, and returns its exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := newCommand()
	command.SetArgs(arguments(args))
	ran, err := command.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRefuses):
		return exitRefuses
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "kubectl budget: %v\nSee %s --help.\n", err, ran.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "kubectl budget: %v\n", err)
	return exitFailed
}

// completer is the name under which kubectl runs a plugin for completions.
const completer = "kubectl_complete-budget"

// arguments are the arguments of the command. Under the name that kubectl looks for, the
// program completes.
func arguments(args []string) []string {
	if filepath.Base(args[0]) == completer {
		return append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	return args[1:]
}

// usageError is the error of a command line that is wrong.
type usageError struct{ error }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-budget",
		Short: "Work with the budgets of Bursar",
		Long: `Work with the budgets of Bursar: show and add up spending, explain why a call was
refused, replay past calls under other limits, check YAML, and make keys, grants and prices.

limits and request ask a Bursar console, with your own rights; usage, explain and replay do if
you set one. Set --console or BURSAR_CONSOLE to its URL, and BURSAR_TOKEN to your API key or
token. If BURSAR_DATABASE_URL is set and BURSAR_TOKEN is not, usage, explain and replay read
the ledger.

Exit codes: 0 success; 1 failure; 2 wrong usage; 3 replay --exit-code or shadow --exit-code
found calls that would be refused.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl budget"},
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version.Line("kubectl-budget"),
	}
	groups(root)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	config := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag()
	config.AddFlags(root.PersistentFlags())
	cluster := &cluster{config: config}
	completeCluster(root, cluster)

	prices := groups(&cobra.Command{Use: "prices", Short: "Work with model prices"})
	prices.AddCommand(newImport())
	key := groups(&cobra.Command{Use: "key", Short: "Work with API keys"})
	key.AddCommand(newKeyCreate(cluster), newKeyRotate(cluster), newKeyRevoke(cluster))
	imports := groups(&cobra.Command{Use: "import", Short: "Turn the configuration of other gateways into resources"})
	imports.AddCommand(newImportLiteLLM())
	root.AddCommand(
		newTop(cluster), newReport(cluster), newUsage(cluster), newLimits(cluster), newCalls(cluster), newExplain(cluster), newAlerts(cluster), newHistory(cluster), newReplay(cluster), newShadow(cluster),
		newCheck(cluster), newGrant(cluster), newRequest(cluster), key, prices, imports, newVersion(),
	)
	return root
}

// groups makes a command that only groups others: by itself it lists them, and an
// unknown one is an error, for which cobra would print help and succeed.
func groups(cmd *cobra.Command) *cobra.Command {
	cmd.DisableFlagsInUseLine = true
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		cmd.SuggestionsMinimumDistance = 2
		if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
			hint = "; did you mean " + strings.Join(meant, ", ") + "?"
		}
		return usageError{fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)}
	}
	return cmd
}

// exactly demands so many arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("expected %s, got %d arguments", what, len(args))}
		}
		return nil
	}
}

// between demands at least and at most so many arguments.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageError{fmt.Errorf("expected %s, got %d arguments", what, len(args))}
		}
		return nil
	}
}
