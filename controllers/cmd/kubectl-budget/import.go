package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/priceimport"
)

func newImport() *cobra.Command {
	var (
		file, format string
		options      priceimport.Options
		strict       bool
	)
	cmd := &cobra.Command{
		Use:   "import -f FILE --provider NAME",
		Short: "Make a ModelProvider from a price table",
		Long: `Make a ModelProvider from a JSON table of prices, and print it as YAML.

The table has the format of models.dev's api.json or of LiteLLM's
model_prices_and_context_window.json. Implausible rows, such as one whose cached input
is more expensive than its input, are rejected. Each rejected row, and each part of its
prices that is left out, such as a search fee, is reported on stderr with the reason.
The cluster is not changed.`,
		Example: `  kubectl budget prices import -f api.json --provider anthropic > anthropic.yaml
  kubectl budget prices import -f - --provider mistral --endpoint https://api.mistral.ai/v1 < api.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			if file == "" || options.Provider == "" {
				return usageError{errors.New("-f and --provider are required")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Format = priceimport.Format(format)
			return runImport(cmd, file, options, strict)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "file with the table; - is standard input")
	flags.StringVar(&options.Provider, "provider", "", "the provider's name in the table")
	flags.StringVar(&format, "format", string(priceimport.Auto), "format of the table: models.dev, litellm or auto")
	flags.StringVar(&options.Name, "name", "", "the ModelProvider's name (default: the provider's)")
	flags.StringVar(&options.Protocol, "protocol", "", fmt.Sprintf("one of %v (default: the provider's, or OpenAI)", limiterv1.Protocols()))
	flags.StringVar(&options.Endpoint, "endpoint", "", "the base URL of the API (known for openai, anthropic, google and vercel)")
	flags.StringVar(&options.CredentialFile, "credential-file", "", "the file with the API key that enforcers mount (default: the ModelProvider's name)")
	flags.BoolVar(&strict, "strict", false, "fail, and print nothing, if a row is rejected")
	return cmd
}

func runImport(cmd *cobra.Command, file string, options priceimport.Options, strict bool) error {
	table := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }()
		table = opened
	}
	provider, problems, err := priceimport.Read(table, options)
	refused := 0
	for _, problem := range problems {
		if problem.Refused {
			refused++
		}
		fmt.Fprintln(cmd.ErrOrStderr(), problem)
	}
	switch {
	case err != nil:
		return err
	case len(provider.Spec.Models) == 0:
		return fmt.Errorf("all %d rows were rejected", refused)
	case strict && refused > 0:
		return fmt.Errorf("%d rows were rejected; %d could be used", refused, len(provider.Spec.Models))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d models, %d rows rejected\n", len(provider.Spec.Models), refused)
	return writeManifest(cmd.OutOrStdout(), formatYAML, "ModelProvider", provider, provider.Spec)
}
