package analysis

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// OfModelProvider finds what is surely not meant in a ModelProvider.
func OfModelProvider(provider *v1alpha1.ModelProvider, now time.Time) []Warning {
	var f found
	spec := provider.Spec
	f.endpoint(spec)
	for i, model := range spec.Models {
		f.model(spec, model, field.NewPath("spec", "models").Index(i), now)
	}
	f.passFields(spec.PassFields)
	f.neutralUsage(spec.NeutralUsage)
	if spec.UnlistedModels != nil {
		f.tokens(field.NewPath("spec", "unlistedModels"), spec.UnlistedModels.MaxOutputTokens, spec.UnlistedModels.ContextWindow)
	}
	return f
}

func (f *found) model(spec v1alpha1.ModelProviderSpec, model v1alpha1.Model, path *field.Path, now time.Time) {
	upstream := strings.ToLower(model.Name)
	if model.UpstreamName != "" {
		upstream = strings.ToLower(model.UpstreamName)
	}
	f.tokens(path, model.MaxOutputTokens, model.ContextWindow)
	f.tokenizer(path.Child("tokenizer"), model.Tokenizer, nearest.Base(upstream))
	for i, name := range model.AnsweredAs {
		if name == model.Name || name == model.UpstreamName {
			f.noEffect(path.Child("answeredAs").Index(i), "%q is the model's own name, which needs no other: leave it out", name)
		}
	}
	f.prices(spec, model.Prices, model.ContextWindow, path.Child("prices"))
	f.priceChanges(spec, model, path.Child("priceChanges"), now)
}

// few is less output than any model has, and fewInput less input: thousands are meant.
const few, fewInput = 200, 1000

// tokens finds bounds of tokens that are given in thousands, or that contradict each other.
func (f *found) tokens(path *field.Path, output, input int64) {
	if 0 < output && output < few {
		f.warn(path.Child("maxOutputTokens"), "%d tokens are few for any model; write %d if it is in thousands", output, output*1000)
	}
	switch {
	case 0 < input && input < fewInput && input >= 4:
		f.warn(path.Child("contextWindow"), "%d tokens are few for any model; write %d if it is in thousands", input, input*1000)
	case 0 < input && input < output:
		f.warn(path.Child("maxOutputTokens"), "%d is more than contextWindow %d; are the two swapped?", output, input)
	}
}

var (
	// notOpenAIs are names of models with other tokenizers than OpenAI's.
	notOpenAIs = regexp.MustCompile(`^(claude|gemini|llama|mistral|mixtral|qwen|deepseek|command|grok|nova|phi|gemma|kimi|glm)`)
	// older are OpenAI's models before gpt-4o.
	older = regexp.MustCompile(`^(gpt-4($|-[0-9t])|gpt-3\.5|text-embedding)`)
	newer = regexp.MustCompile(`^(gpt-4o|gpt-4\.1|gpt-5|o[134]($|-))`)
)

func (f *found) tokenizer(path *field.Path, tokenizer, upstream string) {
	switch {
	case tokenizer == "":
	case notOpenAIs.MatchString(upstream):
		f.warn(path, "%s is for OpenAI's models, so that too little is held for calls of %s: leave it out", tokenizer, upstream)
	case tokenizer == string(limiterv1.CL100kBase) && newer.MatchString(upstream):
		f.warn(path, "%s reads text with o200k_base: write that", upstream)
	case tokenizer == string(limiterv1.O200kBase) && older.MatchString(upstream):
		f.warn(path, "%s reads text with cl100k_base: write that", upstream)
	}
}

// arrays are the fields of requests that are arrays, which a path names with "[]".
var arrays = []string{"messages", "tools", "contents", "parts", "edits", "safetySettings", "plugins"}

// passFields finds paths that cannot be those of a request's fields.
func (f *found) passFields(fields []string) {
	for i, name := range fields {
		path := field.NewPath("spec", "passFields").Index(i)
		whole, value, _ := strings.Cut(name, "=")
		first, rest, nested := strings.Cut(whole, ".")
		switch {
		case nested && slices.Contains([]string{"body", "request", "extra_body", "$", "spec"}, first):
			f.noEffect(path, "paths start at the top of the request's JSON: write %q", strings.TrimPrefix(name, first+"."))
		case whole == "extra_body":
			f.noEffect(path, "clients send what is in extra_body without that name: write the names of its members")
		case slices.Contains(arrays, first) && rest != "":
			f.noEffect(path, "%s is an array: write %q", first, first+"[]."+strings.TrimPrefix(name, first+"."))
		case strings.Contains(whole, "-") && value == "" && strings.HasPrefix(strings.ToLower(whole), "x-"):
			f.noEffect(path, "unknown headers are never passed on: leave it out")
		}
	}
}

// neutralUsage finds paths that cannot be those of a usage's members.
func (f *found) neutralUsage(members []string) {
	for i, name := range members {
		f.memberOfUsage(field.NewPath("spec", "neutralUsage").Index(i), name)
	}
}

// memberOfUsage finds a path that does not begin in the usage.
func (f *found) memberOfUsage(path *field.Path, name string) {
	for _, prefix := range []string{"usage.", "usageMetadata.", "response.usage.", "body.usage."} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			f.noEffect(path, "paths start inside the usage: write %q", rest)
			return
		}
	}
}
