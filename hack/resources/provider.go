package resources

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// provider makes one that is valid.
func (m *Maker) provider() Resource {
	p := m.newProvider()
	m.providers = append(m.providers, p)
	return valid(p)
}

func (m *Maker) newProvider() *v1alpha1.ModelProvider {
	p := &v1alpha1.ModelProvider{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ModelProvider"},
		ObjectMeta: metav1.ObjectMeta{Name: m.delegated + "-" + m.name("provider")},
		Spec: v1alpha1.ModelProviderSpec{
			Protocol:       pick(m, "", "OpenAI", "Anthropic", "Gemini", "AzureOpenAI", "VercelAIGateway"),
			Endpoint:       pick(m, "https://api.example.com/v1", "http://127.0.0.1:8080", "https://[::1]:8443/a/b/", "https://xn--fiqs8s.example.com/v1"),
			CredentialFile: pick(m, "", "openai", "a.b_c-D", "_"),
			NeutralUsage:   pick(m, nil, []string{"*"}, []string{"num_search_queries", "plugins.search", "a-b.c_d"}),
			CostReported:   m.oneIn(4),
		},
	}
	for i := range pick(m, 1, 1, 2, 5) {
		p.Spec.Models = append(p.Spec.Models, m.model(fmt.Sprintf("%s/%d", p.Name, i), p.Spec.Protocol))
	}
	hasOutput := func(model v1alpha1.Model) bool { return model.Prices.Output != "" }
	if taken := m.takers[cmp.Or(p.Spec.Protocol, "OpenAI")]; !taken && slices.ContainsFunc(p.Spec.Models, hasOutput) {
		m.takers[cmp.Or(p.Spec.Protocol, "OpenAI")] = true
		p.Spec.UnlistedModels = &v1alpha1.UnlistedModels{
			MaxOutputTokens: pick[int64](m, 1, 10_000_000), ContextWindow: pick[int64](m, 0, 1, 1_000_000_000),
		}
	}
	p.Spec.OnClientGone = pick(m, "", "Stop", "Drain")
	p.Spec.CheckInterval = pick(m, "", "", "1m", "1h30m", "24h")
	if m.oneIn(20) {
		for i := len(p.Spec.Models); i < 512; i++ {
			p.Spec.Models = append(p.Spec.Models, v1alpha1.Model{
				Name: fmt.Sprintf("%s/%d", p.Name, i), Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0"}},
			})
		}
	}
	return p
}

func (m *Maker) model(name, protocol string) v1alpha1.Model {
	model := v1alpha1.Model{
		Name:          name,
		UpstreamName:  pick(m, "", "gpt-4o", "ft:gpt-4o:org::id", "accounts/x/models/y", "モデル"),
		AnsweredAs:    pick(m, nil, []string{"*"}, []string{"gpt-4o", "モデル", "a/b:c"}),
		ContextWindow: pick[int64](m, 0, 1, 128_000, 1_000_000_000),
	}
	if protocol == "" || protocol == "OpenAI" || protocol == "AzureOpenAI" || protocol == "VercelAIGateway" {
		model.Tokenizer = pick(m, "", "o200k_base", "cl100k_base")
	}
	model.Reasoning = pick(m, "", "Hidden", "Shown")
	isForEmbeddings := m.oneIn(4)
	if !isForEmbeddings {
		model.MaxOutputTokens = pick[int64](m, 1, 16_384, 10_000_000)
	}
	model.Prices = m.prices(isForEmbeddings)
	for _, year := range some(m, 4, 1970, 2026, 2030, 9999) {
		from := metav1.NewTime(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		model.PriceChanges = append(model.PriceChanges, v1alpha1.PriceChange{EffectiveFrom: from, Prices: m.prices(isForEmbeddings)})
	}
	return model
}

func (m *Maker) prices(isForEmbeddings bool) v1alpha1.Prices {
	prices := v1alpha1.Prices{PriceList: m.priceList(isForEmbeddings)}
	for _, above := range some(m, 2, int64(1), 200_000, 1_000_000_000) {
		prices.LongContext = append(prices.LongContext, v1alpha1.LongContextPrices{AboveInputTokens: above, PriceList: prices.PriceList})
	}
	for _, name := range some(m, 4, "flex", "priority", "batch", "a_b-9") {
		prices.ServiceTiers = append(prices.ServiceTiers, v1alpha1.ServiceTierPrices{Name: name, PriceList: m.priceList(isForEmbeddings)})
	}
	for _, value := range some(m, 3, "us", "eu", "fast-2_0") {
		factor := pick[v1alpha1.Factor](m, "0", "1.1", "1000", "0.000000001")
		prices.Multipliers = append(prices.Multipliers, v1alpha1.PriceMultiplier{Property: pick(m, "inference_geo", "speed"), Value: value, Factor: factor})
	}
	for _, name := range some(m, 4, "web_search", "web_fetch", "numSearches", "a.b-9") {
		prices.Fees = append(prices.Fees, v1alpha1.Fee{Name: name, Amount: pick[v1alpha1.Amount](m, "0", "0.01", "9000000"), UsesPerCall: pick[int64](m, 0, 1, 1000)})
	}
	return prices
}

func (m *Maker) priceList(isForEmbeddings bool) v1alpha1.PriceList {
	list := v1alpha1.PriceList{Input: pick[v1alpha1.Price](m, "1.25", "0000001", "9000000", "9000000.00000000")}
	list.CachedInput = pick(m, "", "0", "0.000000001", list.Input)
	list.CacheWrite5m = pick[v1alpha1.Price](m, "", "2")
	list.CacheWrite1h = pick[v1alpha1.Price](m, "", "2.0")
	if m.oneIn(3) {
		list.AudioInput = "40.00"
		list.CachedAudioInput = pick[v1alpha1.Price](m, "", "40", "2.5")
	}
	if !isForEmbeddings {
		list.Output = pick[v1alpha1.Price](m, "0", "10.00", "9000000")
		list.AudioOutput = pick[v1alpha1.Price](m, "", "80")
		list.ImageOutput = pick[v1alpha1.Price](m, "", "0.000000001")
	}
	return list
}
