package compile_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func provider() *v1alpha1.ModelProvider {
	return &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "openai", UID: "uid-openai", Generation: 2},
		Spec: v1alpha1.ModelProviderSpec{
			Endpoint:       "https://api.openai.com/v1",
			CredentialFile: "openai",
			Models: []v1alpha1.Model{
				{Name: "gpt-4o", MaxOutputTokens: 16384, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{
					Input: "2.50", CachedInput: "1.25", Output: "10.00"}}},
				{Name: "cheap", UpstreamName: "gpt-4o-mini", Tokenizer: "o200k_base", MaxOutputTokens: 100, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0.15", Output: "0.60"}}},
			},
		},
	}
}

// flat is a book of one list.
func flat(list price.List) price.Book { return price.Book{price.Default: {Base: list}} }

func TestProvider(t *testing.T) {
	want := limiterv1.Provider{
		Sources:        []limiterv1.Source{{Kind: "ModelProvider", Name: "openai", UID: "uid-openai", Generation: 2}},
		Name:           "openai",
		Protocol:       limiterv1.OpenAI,
		Endpoint:       "https://api.openai.com/v1",
		CredentialFile: "openai",
		Models: []limiterv1.Model{
			{Name: "gpt-4o", UpstreamName: "gpt-4o", MaxOutputTokens: 16384, Prices: flat(price.List{
				price.Input: 2500 * money.USD / 1000, price.CachedInput: 1250 * money.USD / 1000, price.Output: 10 * money.USD})},
			{Name: "cheap", UpstreamName: "gpt-4o-mini", Tokenizer: limiterv1.O200kBase, MaxOutputTokens: 100, Prices: flat(price.List{
				price.Input: 15 * money.Cent, price.CachedInput: 15 * money.Cent, price.Output: 60 * money.Cent})},
		},
	}
	got, errs := compile.Provider(provider())
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
	}
}

func TestUnlistedModels(t *testing.T) {
	p := provider()
	p.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 1000, ContextWindow: 2000}
	want := limiterv1.UnlistedModels{MaxOutputTokens: 1000, ContextWindow: 2000}
	if got, errs := compile.Provider(p); len(errs) > 0 || got.UnlistedModels == nil || *got.UnlistedModels != want {
		t.Errorf("errors %v; compiled %+v, want %+v", errs, got.UnlistedModels, want)
	}
	for i := range p.Spec.Models {
		p.Spec.Models[i].MaxOutputTokens, p.Spec.Models[i].Prices.Output = 0, ""
	}
	if _, errs := compile.Provider(p); len(errs) != 1 || errs[0].Field != "spec.unlistedModels" {
		t.Errorf("where none that is listed has output: errors %v, want one of spec.unlistedModels", errs)
	}
}

func TestPassFields(t *testing.T) {
	p := provider()
	p.Spec.PassFields = []string{"plugins", "tools[].type=web_search"}
	if got, errs := compile.Provider(p); len(errs) > 0 || !slices.Equal(got.PassFields, p.Spec.PassFields) {
		t.Errorf("errors %v; compiled %q, want %q", errs, got.PassFields, p.Spec.PassFields)
	}
}

// TestReporting: how the provider reports what calls use and cost.
func TestReporting(t *testing.T) {
	p := provider()
	p.Spec.NeutralUsage, p.Spec.CostReported = []string{"searches", "plugins.pages"}, true
	p.Spec.Models[0].AnsweredAs = []string{"gpt-4o-eu"}
	got, errs := compile.Provider(p)
	if len(errs) > 0 || !slices.Equal(got.NeutralUsage, p.Spec.NeutralUsage) || !got.CostReported || !got.Models[0].IsAnsweredAs("gpt-4o-eu") {
		t.Errorf("errors %v; compiled %+v", errs, got)
	}
}

// TestWhatIsChargedOfCutAnswers: what a ModelProvider says of answers that are cut off.
func TestWhatIsChargedOfCutAnswers(t *testing.T) {
	p := provider()
	p.Spec.OnClientGone, p.Spec.Models[0].Reasoning, p.Spec.CheckInterval = "Drain", "Hidden", "10m"
	got, errs := compile.Provider(p)
	if len(errs) > 0 || got.OnClientGone != limiterv1.Drain || got.CheckSeconds != 600 || got.Models[0].Reasoning != limiterv1.ReasoningHidden {
		t.Errorf("errors %v; compiled %+v", errs, got)
	}
}

func TestProviderPrices(t *testing.T) {
	p := provider()
	p.Spec.Protocol = "Gemini"
	later := metav1.NewTime(time.Date(2027, 3, 1, 0, 0, 0, 0, time.FixedZone("", -3*60*60)))
	sooner := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	p.Spec.Models = []v1alpha1.Model{
		{Name: "everything", ContextWindow: 1_000_000, MaxOutputTokens: 100, Prices: v1alpha1.Prices{
			PriceList: v1alpha1.PriceList{
				Input: "1", CachedInput: "0.1", CacheWrite5m: "1.25", CacheWrite1h: "2", AudioInput: "3", CachedAudioInput: "0.3",
				Output: "5", AudioOutput: "6", ImageOutput: "0",
			},
		}},
		{Name: "tiers", MaxOutputTokens: 100, Prices: v1alpha1.Prices{
			PriceList: v1alpha1.PriceList{Input: "1", AudioInput: "2", Output: "5"},
			LongContext: []v1alpha1.LongContextPrices{
				{AboveInputTokens: 300, PriceList: v1alpha1.PriceList{Input: "3", AudioInput: "6", Output: "15"}},
				{AboveInputTokens: 200, PriceList: v1alpha1.PriceList{Input: "2", AudioInput: "4", Output: "10"}},
			},
			ServiceTiers: []v1alpha1.ServiceTierPrices{{
				Name: "flex", PriceList: v1alpha1.PriceList{Input: "0.5", Output: "2.5"},
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200, PriceList: v1alpha1.PriceList{Input: "1", Output: "5"}}},
			}},
		}},
		{Name: "embedding", Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "3"}}, PriceChanges: []v1alpha1.PriceChange{
			{EffectiveFrom: later, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1"}}},
			{EffectiveFrom: sooner, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2"}}},
		}},
	}
	const usd = money.USD
	text := func(input, output price.PerMillion) price.List {
		return price.List{price.Input: input, price.CachedInput: input, price.Output: output}
	}
	sound := func(input, audio, output price.PerMillion) price.List {
		list := text(input, output)
		list[price.AudioInput], list[price.CachedAudioInput] = audio, audio
		return list
	}
	embedding := func(input price.PerMillion) price.Book {
		return flat(price.List{price.Input: input, price.CachedInput: input})
	}
	want := []limiterv1.Model{
		{Name: "everything", UpstreamName: "everything", ContextWindow: 1_000_000, MaxOutputTokens: 100, Prices: flat(price.List{
			price.Input: usd, price.CachedInput: usd / 10, price.CacheWrite5m: usd * 5 / 4, price.CacheWrite1h: 2 * usd,
			price.AudioInput: 3 * usd, price.CachedAudioInput: usd * 3 / 10,
			price.Output: 5 * usd, price.AudioOutput: 6 * usd, price.ImageOutput: 0,
		})},
		{Name: "tiers", UpstreamName: "tiers", MaxOutputTokens: 100, Prices: price.Book{
			price.Default: {Base: sound(usd, 2*usd, 5*usd), LongContext: []price.LongContext{
				{AboveInputTokens: 200, List: sound(2*usd, 4*usd, 10*usd)},
				{AboveInputTokens: 300, List: sound(3*usd, 6*usd, 15*usd)},
			}},
			"flex": {Base: text(usd/2, usd*5/2), LongContext: []price.LongContext{{AboveInputTokens: 200, List: text(usd, 5*usd)}}},
		}},
		{Name: "embedding", UpstreamName: "embedding", Prices: embedding(3 * usd), PriceChanges: []limiterv1.PriceChange{
			{EffectiveFrom: sooner.Time, Prices: embedding(2 * usd)},
			{EffectiveFrom: later.UTC(), Prices: embedding(usd)},
		}},
	}
	got, errs := compile.Provider(p)
	if diff := cmp.Diff(want, got.Models); diff != "" || len(errs) > 0 || got.Protocol != limiterv1.Gemini {
		t.Errorf("protocol %s, errors %v; models (-want +got):\n%s", got.Protocol, errs, diff)
	}
	for _, model := range got.Models {
		if err := model.Prices.Validate(); err != nil {
			t.Errorf("an enforcer refuses %s: %v", model.Name, err)
		}
	}
}

// TestMultipliersAndFees: they hold in every service tier, and a change of prices replaces
// them, too.
func TestMultipliersAndFees(t *testing.T) {
	p := provider()
	prices := &p.Spec.Models[0].Prices
	prices.Multipliers = []v1alpha1.PriceMultiplier{{Property: "inference_geo", Value: "us", Factor: "1.1"}, {Property: "speed", Value: "fast", Factor: "6"}}
	prices.Fees = []v1alpha1.Fee{{Name: "web_search", Amount: "0.01", UsesPerCall: 7}, {Name: "web_fetch", Amount: "0"}}
	prices.ServiceTiers = []v1alpha1.ServiceTierPrices{{Name: "priority", PriceList: v1alpha1.PriceList{Input: "5", Output: "20"}}}
	p.Spec.Models[0].PriceChanges = []v1alpha1.PriceChange{{EffectiveFrom: metav1.Now(), Prices: v1alpha1.Prices{PriceList: prices.PriceList}}}
	got, errs := compile.Provider(p)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	multipliers := []price.Multiplier{{Property: "inference_geo", Value: "us", Factor: 1_100_000_000}, {Property: "speed", Value: "fast", Factor: 6 * price.One}}
	fees := price.Fees{"web_search": money.Cent, "web_fetch": 0}
	for tier, tariff := range got.Models[0].Prices {
		if diff := cmp.Diff(multipliers, tariff.Multipliers); diff != "" {
			t.Errorf("multipliers in tier %s (-want +got):\n%s", tier, diff)
		}
		if diff := cmp.Diff(fees, tariff.Fees); diff != "" {
			t.Errorf("fees in tier %s (-want +got):\n%s", tier, diff)
		}
		if tariff.AnyCallUses != "web_search=7" {
			t.Errorf("uses of any call in tier %s: %s", tier, tariff.AnyCallUses)
		}
	}
	if err := got.Models[0].Prices.Validate(); err != nil {
		t.Errorf("an enforcer refuses them: %v", err)
	}
	if after := got.Models[0].PriceChanges[0].Prices[price.Default]; after.Multipliers != nil || after.Fees != nil {
		t.Errorf("after the change: %+v", after)
	}
}

// compared is how a file of the catalogue says when its prices were compared.
var compared = regexp.MustCompile(`compared with \S.* in (January|February|March|April|May|June|July|August|September|October|November|December) \d{4}:`)

// TestCatalogue compiles the providers that Bursar brings along.
func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("files %q, %v; want four", files, err)
	}
	holder := map[string]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(raw), "\napiVersion:")
		if said := strings.Join(strings.Fields(strings.ReplaceAll(head, "#", "")), " "); !compared.MatchString(said) {
			t.Errorf("%s does not say when its prices were compared with which list:\n%s", file, head)
		}
		var p v1alpha1.ModelProvider
		if err := yaml.UnmarshalStrict(raw, &p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		document, errs := compile.Provider(&p)
		if len(errs) > 0 {
			t.Errorf("%s: %v", file, errs)
		}
		for _, model := range document.Models {
			if other, taken := holder[model.Name]; taken {
				t.Errorf("model %s is in %s and in %s", model.Name, other, file)
			}
			holder[model.Name] = file
			if model.MaxOutputTokens > 0 && model.ContextWindow == 0 {
				t.Errorf("model %s of %s has no context window", model.Name, file)
			}
		}
	}
}

// TestCatalogueNamesTokenizers: the catalogue names the tokenizer of a model where
// OpenAI's tiktoken does, as it stands, and of no other model.
func TestCatalogueNamesTokenizers(t *testing.T) {
	want := map[string]limiterv1.Tokenizer{
		"gpt-5": limiterv1.O200kBase, "gpt-5-mini": limiterv1.O200kBase, "gpt-5-nano": limiterv1.O200kBase,
		"gpt-4.1": limiterv1.O200kBase, "gpt-4.1-mini": limiterv1.O200kBase, "gpt-4.1-nano": limiterv1.O200kBase,
		"gpt-4o": limiterv1.O200kBase, "gpt-4o-mini": limiterv1.O200kBase,
		"o3": limiterv1.O200kBase, "o4-mini": limiterv1.O200kBase,
		"text-embedding-3-small": limiterv1.CL100kBase, "text-embedding-3-large": limiterv1.CL100kBase,
	}
	files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]limiterv1.Tokenizer{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p v1alpha1.ModelProvider
		if err := yaml.UnmarshalStrict(raw, &p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		document, _ := compile.Provider(&p)
		for _, model := range document.Models {
			if model.Tokenizer != "" {
				got[model.Name] = model.Tokenizer
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokenizers (-want +got):\n%s", diff)
	}
}

func TestProviderErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*v1alpha1.ModelProviderSpec)
		wantErrs field.ErrorList
	}{
		"prices": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.Input, s.Models[1].Prices.Output = "a lot", "0.0000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.input"), invalid("spec.models[1].prices.output")},
		},
		"cached input dearer by a nano-dollar": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.CachedInput = "2.500000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedInput")},
		},
		"cached sound dearer than sound": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.AudioInput, s.Models[0].Prices.CachedAudioInput = "1", "1.000000001"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedAudioInput")},
		},
		"cached sound without sound": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Models[0].Prices.CachedAudioInput = "0" },
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cachedAudioInput")},
		},
		"five minutes dearer than an hour": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.CacheWrite5m, s.Models[0].Prices.CacheWrite1h = "2", "1"
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.cacheWrite5m")},
		},
		"output without a bound": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Models[1].MaxOutputTokens = 0 },
			wantErrs: field.ErrorList{invalid("spec.models[1].maxOutputTokens")},
		},
		"output without a price from a moment on": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[1].PriceChanges = []v1alpha1.PriceChange{{Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1"}}}}
			},
			wantErrs: field.ErrorList{invalid("spec.models[1].maxOutputTokens")},
		},
		"long input priced by other kinds": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.LongContext = []v1alpha1.LongContextPrices{{AboveInputTokens: 5, PriceList: v1alpha1.PriceList{Input: "1", AudioInput: "1"}}}
			},
			wantErrs: field.ErrorList{
				{Type: field.ErrorTypeForbidden, Field: "spec.models[0].prices.longContext[0].audioInput"},
				{Type: field.ErrorTypeForbidden, Field: "spec.models[0].prices.longContext[0].cachedAudioInput"},
				{Type: field.ErrorTypeRequired, Field: "spec.models[0].prices.longContext[0].output"},
			},
		},
		"a price in a service tier": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.ServiceTiers = []v1alpha1.ServiceTierPrices{{Name: "flex", PriceList: v1alpha1.PriceList{Input: "-1", Output: "1"}}}
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.serviceTiers[0].input")},
		},
		"a factor and a fee": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				s.Models[0].Prices.Multipliers = []v1alpha1.PriceMultiplier{{Property: "speed", Value: "fast", Factor: "1000.000000001"}}
				s.Models[0].Prices.Fees = []v1alpha1.Fee{{Name: "web_search", Amount: "-1"}}
			},
			wantErrs: field.ErrorList{invalid("spec.models[0].prices.multipliers[0].factor"), invalid("spec.models[0].prices.fees[0].amount")},
		},
		"two changes at the same moment, in two zones": {
			change: func(s *v1alpha1.ModelProviderSpec) {
				at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
				for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 3600)} {
					s.Models[0].PriceChanges = append(s.Models[0].PriceChanges, v1alpha1.PriceChange{
						EffectiveFrom: metav1.NewTime(at.In(zone)), Prices: s.Models[0].Prices,
					})
				}
			},
			wantErrs: field.ErrorList{{Type: field.ErrorTypeDuplicate, Field: "spec.models[0].priceChanges[1].effectiveFrom"}},
		},
		"endpoint": {
			change:   func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "nowhere" },
			wantErrs: field.ErrorList{invalid("spec.endpoint")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := provider()
			tc.change(&p.Spec)
			got, errs := compile.Provider(p)
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(limiterv1.Provider{}, got); diff != "" {
				t.Errorf("a document in spite of errors (-want +got):\n%s", diff)
			}
		})
	}
}
