package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/version"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactly(0, "no arguments"),
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), version.Line("kubectl-budget"))
		},
	}
}
