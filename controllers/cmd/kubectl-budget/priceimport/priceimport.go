package priceimport

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Format is the shape of a table.
type Format string

// The formats.
const (
	// Auto is the other format that the table looks like.
	Auto Format = "auto"
	// ModelsDev has providers with models, and prices per million tokens.
	ModelsDev Format = "models.dev"
	// LiteLLM has models that name their provider, and prices per token.
	LiteLLM Format = "litellm"
)

// Options say what is read, and what the ModelProvider is like.
type Options struct {
	Format Format
	// Provider is the provider's name in the table.
	Provider string
	// Name, Protocol, Endpoint and CredentialFile are those of the ModelProvider. For
	// OpenAI, Anthropic, Google and Vercel's AI Gateway there are defaults.
	Name, Protocol, Endpoint, CredentialFile string
}

// Problem is something in a row of the table.
type Problem struct {
	// Row is the name of the model.
	Row string
	// Refused is whether the whole row is left out; otherwise it is a part of it.
	Refused bool
	// Reason says why.
	Reason string
}

// String is a line for people.
func (p Problem) String() string {
	if p.Refused {
		return "rejected " + p.Row + ": " + p.Reason
	}
	return "left out of " + p.Row + ": " + p.Reason
}

// What a ModelProvider may have: so many models, and in each prices for so many
// lengths of long input.
const (
	maxModels       = 512
	maxLongContexts = 2
)

// known are the defaults of the providers that have a protocol of their own.
var known = map[string]Options{
	"openai":            {Name: "openai", Protocol: "OpenAI", Endpoint: "https://api.openai.com/v1"},
	"anthropic":         {Name: "anthropic", Protocol: "Anthropic", Endpoint: "https://api.anthropic.com/v1"},
	"google":            {Name: "google", Protocol: "Gemini", Endpoint: "https://generativelanguage.googleapis.com/v1beta"},
	"vercel":            {Name: "vercel", Protocol: "VercelAIGateway", Endpoint: "https://ai-gateway.vercel.sh"},
	"vercel_ai_gateway": {Name: "vercel", Protocol: "VercelAIGateway", Endpoint: "https://ai-gateway.vercel.sh"},
	"gemini":            {Name: "google", Protocol: "Gemini", Endpoint: "https://generativelanguage.googleapis.com/v1beta"},
}

// Read makes a ModelProvider of the rows of one provider in the table, and reports
// what is not in it. The error is about the table or the options as a whole.
func Read(table io.Reader, options Options) (*v1alpha1.ModelProvider, []Problem, error) {
	raw, err := io.ReadAll(table)
	if err != nil {
		return nil, nil, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, nil, fmt.Errorf("the table is not a JSON object: %w", err)
	}
	rows, err := readRows(top, options)
	if err != nil {
		return nil, nil, err
	}
	provider := options.provider()
	if provider.Spec.Endpoint == "" {
		return nil, nil, fmt.Errorf("the endpoint of provider %q is unknown: set --endpoint", options.Provider)
	}
	problems := addModels(provider, rows)
	if n := len(provider.Spec.Models); n > maxModels {
		return nil, problems, fmt.Errorf("%d models are too many: a ModelProvider may have %d", n, maxModels)
	}
	return provider, problems, nil
}

func (o Options) provider() *v1alpha1.ModelProvider {
	defaults := known[o.Provider]
	name, protocol := cmp.Or(o.Name, defaults.Name, o.Provider), cmp.Or(o.Protocol, defaults.Protocol, "OpenAI")
	return &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ModelProviderSpec{
			Protocol:       protocol,
			CostReported:   protocol == "VercelAIGateway",
			Endpoint:       cmp.Or(o.Endpoint, defaults.Endpoint),
			CredentialFile: cmp.Or(o.CredentialFile, name),
		},
	}
}

// row is a row of a table.
type row struct {
	name  string
	model v1alpha1.Model
	// leftOut says which parts of the row are not in the model.
	leftOut []string
	// wrong is why there is no model.
	wrong error
}

// readRows reads the provider's rows, in the order of their names.
func readRows(top map[string]json.RawMessage, options Options) ([]row, error) {
	format := options.Format
	if format == Auto || format == "" {
		format = formatOf(top)
	}
	read := readLiteLLM
	switch format {
	case LiteLLM:
	case ModelsDev:
		read = readModelsDev
	default:
		return nil, fmt.Errorf("unknown format %q: use %s, %s or %s", format, Auto, ModelsDev, LiteLLM)
	}
	rows, err := read(top, options.Provider)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the table, read as %s, has no models of provider %q", format, options.Provider)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
	return rows, nil
}

// formatOf is what the table looks like: in models.dev's, entries have models.
func formatOf(top map[string]json.RawMessage) Format {
	for _, entry := range top {
		var provider struct {
			Models map[string]json.RawMessage `json:"models"`
		}
		if json.Unmarshal(entry, &provider) == nil && len(provider.Models) > 0 {
			return ModelsDev
		}
	}
	return LiteLLM
}

// addModels adds the models of the rows to the provider, as far as it accepts them.
func addModels(provider *v1alpha1.ModelProvider, rows []row) []Problem {
	var problems []Problem
	taken := map[string]bool{}
	for _, row := range rows {
		err := row.wrong
		switch {
		case err != nil:
		case taken[row.model.Name]:
			err = errors.New("another row has the same name")
		default:
			err = Acceptable(*provider, row.model)
		}
		if err != nil {
			problems = append(problems, Problem{Row: row.name, Refused: true, Reason: err.Error()})
			continue
		}
		for _, part := range row.leftOut {
			problems = append(problems, Problem{Row: row.name, Reason: part})
		}
		taken[row.model.Name] = true
		provider.Spec.Models = append(provider.Spec.Models, row.model)
	}
	return problems
}

// Acceptable is what is wrong with a provider of one model: what the control plane
// would refuse, and prices that are valid but surely not meant.
func Acceptable(provider v1alpha1.ModelProvider, model v1alpha1.Model) error {
	if !limiterv1.IsModelName(model.Name) {
		return errors.New("its name is not a model name: use only letters, digits and . _ : / @ ~ -, and begin with a letter, a digit, @ or ~")
	}
	if len(model.Prices.Fees) == 0 && isFree(model.Prices.Input) && (model.Prices.Output == "" || isFree(model.Prices.Output)) {
		return errors.New("it costs nothing: if that is right, write the model by hand")
	}
	if n := len(model.Prices.LongContext); n > maxLongContexts {
		return fmt.Errorf("it has prices for %d lengths of long input: a model may have %d", n, maxLongContexts)
	}
	provider.Spec.Models = []v1alpha1.Model{model}
	_, errs := compile.Provider(&provider)
	if len(errs) == 0 {
		return nil
	}
	reasons := make([]string, len(errs))
	for i, err := range errs {
		reasons[i] = strings.TrimPrefix(err.Error(), "spec.models[0].")
	}
	return errors.New(strings.Join(reasons, "; "))
}

func isFree(p v1alpha1.Price) bool { return p == "0.00" }
