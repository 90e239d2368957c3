package v1alpha1_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func provider(change func(*v1alpha1.ModelProviderSpec)) client.Object {
	p := &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "it"},
		Spec: v1alpha1.ModelProviderSpec{
			Endpoint: "https://api.openai.com/v1",
			Models: []v1alpha1.Model{{
				Name: "gpt-4o", MaxOutputTokens: 16384, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2.50", Output: "10.00"}},
			}},
		},
	}
	change(&p.Spec)
	return p
}

func passing(fields ...string) client.Object {
	return provider(func(s *v1alpha1.ModelProviderSpec) { s.PassFields = append([]string{}, fields...) })
}

func model(change func(*v1alpha1.Model)) client.Object {
	return provider(func(s *v1alpha1.ModelProviderSpec) { change(&s.Models[0]) })
}

// longContext, multipliers, changes and the prices of serviceTier are good as they are.
func longContext() []v1alpha1.LongContextPrices {
	return []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: v1alpha1.PriceList{Input: "5", CachedInput: "2.50", Output: "15"}}}
}

func changes() []v1alpha1.PriceChange {
	return []v1alpha1.PriceChange{{
		EffectiveFrom: metav1.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		Prices:        v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2", Output: "8"}},
	}}
}

func multipliers() []v1alpha1.PriceMultiplier {
	return []v1alpha1.PriceMultiplier{{Property: "inference_geo", Value: "us", Factor: "1.1"}}
}

func long(change func(*v1alpha1.LongContextPrices)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.Prices.LongContext = longContext()
		change(&m.Prices.LongContext[0])
	})
}

func serviceTier(change func(*v1alpha1.ServiceTierPrices)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.Prices.ServiceTiers = []v1alpha1.ServiceTierPrices{{Name: "flex", PriceList: v1alpha1.PriceList{Input: "1.25", Output: "5"}}}
		change(&m.Prices.ServiceTiers[0])
	})
}

func change(edit func(*v1alpha1.PriceChange)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.PriceChanges = changes()
		edit(&m.PriceChanges[0])
	})
}

var _ = DescribeTable("of a ModelProvider, refuses", refused,
	Entry("a protocol nobody here speaks", provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "Gopher" }),
		"spec.protocol", "Unsupported value"),
	Entry("an endpoint without a scheme", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "api.openai.com" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint that is a file", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "file:///etc/passwd" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint with a password", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "https://me:secret@host/v1" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint with a query", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "https://host/v1?key=1" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("a credential in another directory", provider(func(s *v1alpha1.ModelProviderSpec) { s.CredentialFile = "../openai" }),
		"spec.credentialFile", "must be the name of a file"),
	Entry("no models", provider(func(s *v1alpha1.ModelProviderSpec) { s.Models = []v1alpha1.Model{} }),
		"spec.models", "should have at least 1 items"),
	Entry("a model twice", provider(func(s *v1alpha1.ModelProviderSpec) { s.Models = append(s.Models, s.Models[0]) }),
		"spec.models[1]", "Duplicate value"),
	Entry("a model's name with blanks", model(func(m *v1alpha1.Model) { m.Name = "gpt 4o" }),
		"spec.models[0].name", "must be a model name"),
	Entry("a provider's name of a model that goes on in another line", model(func(m *v1alpha1.Model) { m.UpstreamName = "a\r\nb" }),
		"spec.models[0].upstreamName", "without blanks and control characters"),
	Entry("output without a bound", model(func(m *v1alpha1.Model) { m.MaxOutputTokens = 0 }),
		"spec.models[0].maxOutputTokens", "must be set together with prices.output"),
	Entry("output without a price", model(func(m *v1alpha1.Model) { m.Prices.Output = "" }),
		"spec.models[0].maxOutputTokens", "must be set together with prices.output"),
	Entry("output without a price from a moment on", change(func(c *v1alpha1.PriceChange) { c.Prices.Output = "" }),
		"spec.models[0].priceChanges", "must set prices.output if the model's own prices set it"),
	Entry("a context window of nothing", model(func(m *v1alpha1.Model) { m.ContextWindow = -1 }),
		"spec.models[0].contextWindow", "should be greater than or equal to 1"),
	Entry("a tokenizer nobody here has", model(func(m *v1alpha1.Model) { m.Tokenizer = "p50k_base" }),
		"spec.models[0].tokenizer", "Unsupported value"),
	Entry("reasoning that is neither hidden nor shown", model(func(m *v1alpha1.Model) { m.Reasoning = "Some" }),
		"spec.models[0].reasoning", "Unsupported value"),
	Entry("a client that has gone to be waited for", provider(func(s *v1alpha1.ModelProviderSpec) { s.OnClientGone = "Wait" }),
		"spec.onClientGone", "Unsupported value"),
	Entry("a tokenizer of another maker's models", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.Protocol, s.Models[0].Tokenizer = "Anthropic", "o200k_base"
	}), "spec.models", "tokenizer is for models of the protocols OpenAI, AzureOpenAI and VercelAIGateway"),
	Entry("models that are not listed without a bound", provider(func(s *v1alpha1.ModelProviderSpec) { s.UnlistedModels = &v1alpha1.UnlistedModels{} }),
		"spec.unlistedModels.maxOutputTokens", "should be greater than or equal to 1"),
	Entry("models that are not listed in a window of less than nothing", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 1, ContextWindow: -1}
	}), "spec.unlistedModels.contextWindow", "should be greater than or equal to 1"),
	Entry("models that are not listed beside those for embeddings alone", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.Models[0].MaxOutputTokens, s.Models[0].Prices.Output = 0, ""
		s.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 1}
	}), "spec.unlistedModels", "requires a model with prices.output in spec.models"),
	Entry("all fields, and one", passing("*", "plugins"), "spec.passFields", "passes every field"),
	Entry("a field twice", passing("plugins", "plugins"), "spec.passFields[1]", "Duplicate value"),
	Entry("an empty field", passing(""), "spec.passFields[0]", "at least 1 chars long"),
	Entry("a field of blanks", passing("web search"), "spec.passFields[0]", "must be the path of a field"),
	Entry("a pattern of fields", passing("tools[].*"), "spec.passFields[0]", "must be the path of a field"),
	Entry("an element by its number", passing("tools[0].type"), "spec.passFields[0]", "must be the path of a field"),
	Entry("a path without an end", passing("tools[]."), "spec.passFields[0]", "must be the path of a field"),
	Entry("a field without its value", passing("speed="), "spec.passFields[0]", "must be the path of a field"),
	Entry("all of a usage, and a member", provider(func(s *v1alpha1.ModelProviderSpec) { s.NeutralUsage = []string{"*", "searches"} }),
		"spec.neutralUsage", "stands for every member"),
	Entry("a member of an array of a usage", provider(func(s *v1alpha1.ModelProviderSpec) { s.NeutralUsage = []string{"details[].pages"} }),
		"spec.neutralUsage[0]", "must be the path of a member of the usage"),
	Entry("any name in answers, and one", model(func(m *v1alpha1.Model) { m.AnsweredAs = []string{"*", "gpt-4o"} }),
		"spec.models[0].answeredAs", "stands for every name"),
	Entry("a name in answers that goes on in another line", model(func(m *v1alpha1.Model) { m.AnsweredAs = []string{"a\r\nb"} }),
		"spec.models[0].answeredAs[0]", "without blanks and control characters"),
	Entry("a price below zero", model(func(m *v1alpha1.Model) { m.Prices.Input = "-1" }),
		"spec.models[0].prices.input", "a decimal number that is not negative"),
	Entry("a price that is no number", model(func(m *v1alpha1.Model) { m.Prices.Output = "free" }),
		"spec.models[0].prices.output", "must be US dollars per million tokens"),
	Entry("a price finer than a nano-dollar", model(func(m *v1alpha1.Model) { m.Prices.Output = "0.0000000001" }),
		"spec.models[0].prices.output", "at most 9 digits after the point"),
	Entry("a price that is too large", model(func(m *v1alpha1.Model) { m.Prices.Output = "9000001" }),
		"spec.models[0].prices.output", "not above 9000000"),
	Entry("no price of input", model(func(m *v1alpha1.Model) { m.Prices.Input = "" }),
		"spec.models[0].prices.input", "should be at least 1 chars long"),

	Entry("cached input dearer than input", model(func(m *v1alpha1.Model) { m.Prices.CachedInput = "2.51" }),
		"spec.models[0].prices", "cachedInput must not be more expensive than input"),
	Entry("cached sound dearer than sound", model(func(m *v1alpha1.Model) { m.Prices.AudioInput, m.Prices.CachedAudioInput = "1", "1.1" }),
		"spec.models[0].prices", "cachedAudioInput requires audioInput and must not be more expensive"),
	Entry("cached sound and no sound", model(func(m *v1alpha1.Model) { m.Prices.CachedAudioInput = "1" }),
		"spec.models[0].prices", "requires audioInput"),
	Entry("five minutes dearer than an hour", model(func(m *v1alpha1.Model) { m.Prices.CacheWrite5m, m.Prices.CacheWrite1h = "6", "5" }),
		"spec.models[0].prices", "cacheWrite5m must not be more expensive than cacheWrite1h"),
	Entry("pictures from a model without output", model(func(m *v1alpha1.Model) {
		m.MaxOutputTokens, m.Prices.Output, m.Prices.ImageOutput = 0, "", "30"
	}), "spec.models[0].prices", "audioOutput and imageOutput require output"),
	Entry("cached input dearer than input when it is long", long(func(l *v1alpha1.LongContextPrices) { l.CachedInput = "5.01" }),
		"spec.models[0].prices.longContext[0]", "cachedInput must not be more expensive than input"),
	Entry("input that is always long", long(func(l *v1alpha1.LongContextPrices) { l.AboveInputTokens = 0 }),
		"spec.models[0].prices.longContext[0].aboveInputTokens", "should be greater than or equal to 1"),
	Entry("two prices of the same long input", model(func(m *v1alpha1.Model) { m.Prices.LongContext = append(longContext(), longContext()...) }),
		"spec.models[0].prices.longContext[1]", "Duplicate value"),
	Entry("two factors of one value", model(func(m *v1alpha1.Model) { m.Prices.Multipliers = append(multipliers(), multipliers()...) }),
		"spec.models[0].prices.multipliers[1]", "Duplicate value"),
	Entry("a factor that is too large", model(func(m *v1alpha1.Model) {
		m.Prices.Multipliers = multipliers()
		m.Prices.Multipliers[0].Factor = "1000.5"
	}), "spec.models[0].prices.multipliers[0].factor", "not above 1000"),
	Entry("a property in capitals", model(func(m *v1alpha1.Model) {
		m.Prices.Multipliers = multipliers()
		m.Prices.Multipliers[0].Property = "Speed"
	}), "spec.models[0].prices.multipliers[0].property", "must be the name of a property"),
	Entry("two fees of one name", model(func(m *v1alpha1.Model) {
		m.Prices.Fees = []v1alpha1.Fee{{Name: "web_search", Amount: "0.01"}, {Name: "web_search", Amount: "0.02"}}
	}), "spec.models[0].prices.fees[1]", "Duplicate value"),
	Entry("a fee of a use with blanks", model(func(m *v1alpha1.Model) { m.Prices.Fees = []v1alpha1.Fee{{Name: "web search", Amount: "0.01"}} }),
		"spec.models[0].prices.fees[0].name", "must be a name such as"),
	Entry("a fee below zero", model(func(m *v1alpha1.Model) { m.Prices.Fees = []v1alpha1.Fee{{Name: "web_search", Amount: "-1"}} }),
		"spec.models[0].prices.fees[0].amount", "must not be negative"),
	Entry("cached input dearer than input in a service tier", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.CachedInput = "1.26" }),
		"spec.models[0].prices.serviceTiers[0]", "cachedInput must not be more expensive than input"),
	Entry("a service tier with a name of two lines", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.Name = "flex\n" }),
		"spec.models[0].prices.serviceTiers[0].name", "must be the name of a service tier"),
	Entry("the default service tier beside itself", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.Name = "default" }),
		"spec.models[0].prices.serviceTiers[0].name", "the prices of the default tier belong in prices itself"),
	Entry("cached input dearer than input from a moment on", change(func(c *v1alpha1.PriceChange) { c.Prices.CachedInput = "3" }),
		"spec.models[0].priceChanges[0].prices", "cachedInput must not be more expensive than input"),
	Entry("two changes at the same moment", model(func(m *v1alpha1.Model) { m.PriceChanges = append(changes(), changes()...) }),
		"spec.models[0].priceChanges[1]", "Duplicate value"),
)

var _ = DescribeTable("of a ModelProvider, takes", taken,
	Entry("a provider", provider(asIs)),
	Entry("models that are not listed", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 10_000_000, ContextWindow: 1_000_000_000}
	})),
	Entry("all fields to pass", passing("*")),
	Entry("fields to pass", passing("plugins", "messages[].content[].cache_control", "tools[].type=web_search_20250305",
		"input[][].$schema", "generationConfig._responseJsonSchema", "anthropic-beta=context-1m-2025-08-07")),
	Entry("a provider on this machine", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "http://127.0.0.1:8000/v1" })),
	Entry("a model that costs nothing", model(func(m *v1alpha1.Model) {
		m.Prices = v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0", Output: "0"}}
	})),
	Entry("a model for embeddings", model(func(m *v1alpha1.Model) { m.MaxOutputTokens, m.Prices.Output = 0, "" })),
	Entry("a tokenizer", model(func(m *v1alpha1.Model) { m.Tokenizer = "o200k_base" })),
	Entry("a tokenizer at Azure", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.Protocol, s.Models[0].Tokenizer = "AzureOpenAI", "cl100k_base"
	})),
	Entry("a price of every kind", model(func(m *v1alpha1.Model) {
		m.ContextWindow = 1_048_576
		m.Prices.PriceList = v1alpha1.PriceList{
			Input: "1", CachedInput: "1", CacheWrite5m: "1.25", CacheWrite1h: "2", AudioInput: "3", CachedAudioInput: "3",
			Output: "4", AudioOutput: "9000000", ImageOutput: "0.000000001",
		}
	})),
	Entry("prices of long input", long(asIs)),
	Entry("prices of a service tier", serviceTier(asIs)),
	Entry("prices of long input in a service tier", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.LongContext = longContext() })),
	Entry("prices from a moment on", change(asIs)),
	Entry("factors and fees", model(func(m *v1alpha1.Model) {
		m.Prices.Multipliers = append(multipliers(), v1alpha1.PriceMultiplier{Property: "inference_geo", Value: "eu", Factor: "0.000000001"},
			v1alpha1.PriceMultiplier{Property: "speed", Value: "fast", Factor: "1000"})
		m.Prices.Fees = []v1alpha1.Fee{{Name: "web_search", Amount: "0.01"}, {Name: "web_fetch", Amount: "0"}}
	})),
	Entry("the other protocols", provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "Anthropic" })),
	Entry("as many models as there may be", provider(func(s *v1alpha1.ModelProviderSpec) {
		one := s.Models[0]
		one.Prices.CachedInput, one.Tokenizer = "1.25", "o200k_base"
		s.Models = nil
		for i := range 512 {
			one.Name = "model-" + strings.Repeat("x", i%64) + string(rune('a'+i%26)) + "-" + time.Duration(i).String()
			s.Models = append(s.Models, one)
		}
	})),
)
