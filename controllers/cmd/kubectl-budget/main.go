// Command kubectl-budget is a plugin of kubectl: `kubectl budget ...`.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	err := newCommand().Execute()
	var usage usageError
	switch {
	case err == nil:
		return
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "kubectl budget: %v\nSee kubectl budget --help.\n", err)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "kubectl budget: %v\n", err)
	os.Exit(1)
}

// usageError is a command that is not written as it must be.
type usageError struct{ error }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-budget",
		Short:         "Work with budgets and prices of Bursar",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl budget"},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	prices := &cobra.Command{Use: "prices", Short: "Work with prices of models"}
	prices.AddCommand(newImport())
	root.AddCommand(prices)
	return root
}
