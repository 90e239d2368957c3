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
		Short: "Make a ModelProvider of a table of prices",
		Long: `Make a ModelProvider of a table of prices in JSON, and write it as YAML.

The table has the shape of models.dev's api.json or of LiteLLM's
model_prices_and_context_window.json. Rows that cannot be right, such as one whose
cached input is dearer than its input, are refused: each is told on stderr with the
reason, and so is each part of a row that is left out. The cluster is not touched.`,
		Example: `  kubectl budget prices import -f api.json --provider anthropic > anthropic.yaml
  kubectl budget prices import -f - --provider mistral --endpoint https://api.mistral.ai/v1 < api.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			if file == "" || options.Provider == "" {
				return usageError{errors.New("-f and --provider must be given")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Format = priceimport.Format(format)
			return runImport(cmd, file, options, strict)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "the table; - is standard input")
	flags.StringVar(&options.Provider, "provider", "", "the provider's name in the table")
	flags.StringVar(&format, "format", string(priceimport.Auto), "the table's shape: models.dev, litellm, or auto")
	flags.StringVar(&options.Name, "name", "", "the ModelProvider's name (default: the provider's)")
	flags.StringVar(&options.Protocol, "protocol", "", fmt.Sprintf("one of %v (default: what the provider speaks, or OpenAI)", limiterv1.Protocols()))
	flags.StringVar(&options.Endpoint, "endpoint", "", "the base URL of the API (known for openai, anthropic and google)")
	flags.StringVar(&options.CredentialFile, "credential-file", "", "the file with the API key that enforcers mount (default: the ModelProvider's name)")
	flags.BoolVar(&strict, "strict", false, "fail, and write nothing, when a row is refused")
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
		return fmt.Errorf("all %d rows were refused", refused)
	case strict && refused > 0:
		return fmt.Errorf("%d rows were refused, and %d could be used", refused, len(provider.Spec.Models))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d models, %d rows refused\n", len(provider.Spec.Models), refused)
	return writeManifest(cmd.OutOrStdout(), formatYAML, "ModelProvider", provider, provider.Spec)
}
