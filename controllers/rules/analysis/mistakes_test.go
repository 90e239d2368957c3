package analysis_test

import (
	"bufio"
	"strings"
)

func newBuffered(data string) *bufio.Reader { return bufio.NewReader(strings.NewReader(data)) }

// introduction begins the page.
const introduction = `# Mistakes

What is valid and surely not meant is told twice: as a warning to whoever applies it, and in the condition ` + "`Warning`" + ` of the object,
which stays until the object, or what it depends on, is changed. Neither keeps the object from having effect, nor affects ` + "`Ready`" + `.
` + "`kubectl budget check -f FILE`" + ` says the same of files, with what is in the cluster, and fails if something can have no effect at all.

The tables have objects of ` + "`config/samples`" + ` with one mistake each, and the answer. They are written by
` + "`go test ./controllers/rules/analysis -update`" + `, and tested.
`

// mistake is a change of a sample, and what is said then.
type mistake struct {
	// change has a field of the spec in each line, "path: value".
	change string
	// says is a warning in each line, or "refused: " or "has no effect yet: " and why.
	says string
	// beside are further objects that are there, in YAML.
	beside string
}

// claude is a ModelProvider of another protocol, with a dear model.
const claude = `
kind: ModelProvider
metadata: {name: anthropic}
spec:
  protocol: Anthropic
  endpoint: https://api.anthropic.com/v1
  credentialFile: anthropic
  models:
  - {name: claude-sonnet-4-5, maxOutputTokens: 64000, prices: {input: "3.00", output: "15.00"}}
`

// child is a budget below the sample.
const child = `
---
kind: TenantBudget
metadata: {name: team, namespace: acme}
spec:
  tenant: team
  parentRef: {name: acme}
  limits: [{name: daily, period: Day, amount: "1.00"}]
`

// company is a budget that the sample may be below, with less than it has.
const company = `
kind: TenantBudget
metadata: {name: company, namespace: acme}
spec:
  tenant: company
  limits: [{name: monthly, period: Month, amount: "3.00"}]
`

// prodOf is a second budget beside the sample, of a tenant.
func prodOf(tenant string) string {
	return `
kind: TenantBudget
metadata: {name: acme-prod, namespace: acme}
spec:
  tenant: ` + tenant + `
  limits: [{name: daily, period: Day, amount: "5.00"}]
`
}

var mistakes = []struct {
	title, about string
	// object is the one that is changed, "Kind/name".
	object string
	rows   []mistake
}{
	{"Prices", "Of ModelProvider `openai`.", "ModelProvider/openai", []mistake{
		{
			change: `models[0].prices: {input: "0.0000025", output: "0.00001"}`,
			says:   `spec.models[0].prices.input: 0.0000025 USD per million tokens is less than any price known; write "2.50" if it is per token` + "\n" + `spec.models[0].prices.output: 0.00001 USD per million tokens is less than any price known; write "10.00" if it is per token, "0.01" if it is per thousand tokens`,
		},
		{
			change: `models[0].prices: {input: "0.0005", output: "0.0015"}`,
			says:   `spec.models[0].prices.input: 0.0005 USD per million tokens is less than any price known; write "500.00" if it is per token, "0.50" if it is per thousand tokens` + "\n" + `spec.models[0].prices.output: 0.0015 USD per million tokens is less than any price known; write "1500.00" if it is per token, "1.50" if it is per thousand tokens`,
		},
		{
			change: `models[0].prices: {input: "2.50", cachedInput: "0.00000125", output: "10.00"}`,
			says:   `spec.models[0].prices.cachedInput: 0.00000125 USD per million tokens is less than any price known; write "1.25" if it is per token`,
		},
		{
			change: `models[0].prices: {input: "2500", output: "10000"}`,
			says:   `spec.models[0].prices.input: 2500 USD per million tokens is more than any price known: prices are US dollars per million tokens, such as "2.50"` + "\n" + `spec.models[0].prices.output: 10000 USD per million tokens is more than any price known: prices are US dollars per million tokens, such as "2.50"`,
		},
		{
			change: `models[0].prices: {input: "10.00", output: "2.50"}`,
			says:   `spec.models[0].prices.output: 2.50 is less than half of the price of input, 10.00; are the two exchanged?`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "0"}`,
			says:   `spec.models[0].prices.output: output costs nothing, and input costs 2.50: write the price of output, or leave out output and maxOutputTokens`,
		},
		{
			change: `models[0].prices: {input: "0.0250", output: "10.00"}`,
			says:   `spec.models[0].prices.output: 10.00 is 400 times the price of input, 0.0250; is one of them not per million tokens?`,
		},
		{
			change: `models[0].prices: {input: "1.25", cachedInput: "2.50", output: "10.00"}`,
			says:   `refused: spec.models[0].prices.cachedInput: Invalid value: "2.50": must not be more expensive than input`,
		},
		{
			change: `models[0].prices: {input: "0", output: "0"}`,
			says:   `spec.models[0].prices.input: calls cost nothing, though api.openai.com bills them: write its prices`,
		},
		{
			change: `models[0].prices: {input: "3.00", cacheWrite5m: "37.5", output: "15.00"}`,
			says:   `spec.models[0].prices.cacheWrite5m: 37.5 is 12 times the price of input, 3.00; providers take about 1.25 or 2 times`,
		},
		{
			change: `models[0].prices: {input: "3.00", cachedInput: "2.00", cacheWrite5m: "0.30", output: "15.00"}`,
			says:   `spec.models[0].prices.cacheWrite5m: 0.30, for writing to the cache, is less than cachedInput 2.00, for reading; are the two exchanged?`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", longContext: [{aboveInputTokens: 200, input: "5.00", output: "15.00"}]}`,
			says:   `spec.models[0].prices.longContext[0].aboveInputTokens: 200 tokens are a short call; write 200000 if it is in thousands`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", longContext: [{aboveInputTokens: 200000, input: "1.25", output: "10.00"}]}`,
			says:   `spec.models[0].prices.longContext[0].input: 1.25 is less than calls with short input cost, 2.50; are the two exchanged?`,
		},
		{
			change: "models[0].contextWindow: 128000\n" + `models[0].prices: {input: "2.50", output: "10.00", longContext: [{aboveInputTokens: 200000, input: "5.00", output: "15.00"}]}`,
			says:   `spec.models[0].prices.longContext[0].aboveInputTokens: no call has more than contextWindow 128000 tokens of input: lower it, or leave the prices out`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", serviceTiers: [{name: flex, input: "5.00", output: "20.00"}]}`,
			says:   `spec.models[0].prices.serviceTiers[0].input: 5.00 is more than the default tier costs, 2.50; flex is cheaper with every provider`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", serviceTiers: [{name: priority, input: "1.25", output: "5.00"}]}`,
			says:   `spec.models[0].prices.serviceTiers[0].input: 1.25 is less than the default tier costs, 2.50; priority is dearer with every provider`,
		},
		{
			change: `models[0].priceChanges: [{effectiveFrom: "2027-01-01T00:00:00Z", prices: {input: "25.00", output: "100.00"}}]`,
			says:   `spec.models[0].priceChanges[0].prices.input: goes from 2.50 to 25.00, a change by 10 times: is a digit wrong?`,
		},
	}},
	{"Multipliers and fees", "Of ModelProvider `anthropic`.", "ModelProvider/anthropic", []mistake{
		{
			change: `models[0].prices.multipliers: [{property: inference-geo, value: us, factor: "1.1"}]`,
			says:   `spec.models[0].prices.multipliers[0].property: no call of protocol Anthropic has the property "inference-geo"; did you mean "inference_geo"?`,
			beside: claude,
		},
		{
			change: `models[0].prices.multipliers: [{property: region, value: us, factor: "1.1"}]`,
			says:   `spec.models[0].prices.multipliers[0].property: no call of protocol Anthropic has the property "region": it has inference_geo, speed`,
			beside: claude,
		},
		{
			change: `models[0].prices.multipliers: [{property: speed, value: standard, factor: "1"}]`,
			says:   `spec.models[0].prices.multipliers[0].value: "standard" does not change the price: leave it out`,
			beside: claude,
		},
		{
			change: `models[0].prices.multipliers: [{property: speed, value: fast, factor: "600"}]`,
			says:   `spec.models[0].prices.multipliers[0].factor: makes such calls cost 600 times as much; write 1.1 for 10 % more`,
			beside: claude,
		},
		{
			change: `models[0].prices.multipliers: [{property: speed, value: fast, factor: "0"}]`,
			says:   `spec.models[0].prices.multipliers[0].factor: makes the tokens of such calls free; write 1.1 for 10 % more`,
			beside: claude,
		},
		{
			change: `models[0].prices.fees: [{name: webSearch, amount: "0.01"}]`,
			says:   `spec.models[0].prices.fees[0].name: no request of protocol Anthropic asks for "webSearch"; did you mean "web_search"?`,
			beside: claude,
		},
		{
			change: `models[0].prices.fees: [{name: web_search, amount: "10.00"}]`,
			says:   `spec.models[0].prices.fees[0].amount: 10.00 USD is for one use; write "0.01" if it is the price of a thousand`,
			beside: claude,
		},
		{
			change: `models[0].prices.fees: [{name: usage.num_search_queries, amount: "0.005"}]`,
			says:   `spec.models[0].prices.fees[0].name: a path begins in the usage: write "num_search_queries"`,
			beside: claude,
		},
	}},
	{"Endpoints and models", "Of ModelProvider `openai`.", "ModelProvider/openai", []mistake{
		{
			change: `endpoint: https://api.openai.com`,
			says:   `spec.endpoint: is not where this provider's API is: write "https://api.openai.com/v1"`,
		},
		{
			change: `endpoint: https://api.openai.com/v1/chat/completions`,
			says:   `spec.endpoint: is not where this provider's API is: write "https://api.openai.com/v1"`,
		},
		{
			change: `endpoint: https://llm.example.com`,
			says:   `spec.endpoint: has no version: write "https://llm.example.com/v1"`,
		},
		{
			change: `endpoint: https://llm.example.com/v1/responses`,
			says:   `spec.endpoint: has a path too much: calls add it: write "https://llm.example.com/v1"`,
		},
		{
			change: `endpoint: https://llm.example.com/v1/v1`,
			says:   `spec.endpoint: has a version twice: write "https://llm.example.com/v1"`,
		},
		{
			change: `endpoint: http://llm.example.com/v1`,
			says:   `spec.endpoint: http sends the provider's key unencrypted to llm.example.com: write https`,
		},
		{
			change: `credentialFile: ""`,
			says:   `spec.credentialFile: api.openai.com refuses calls without a key: name the file that contains it`,
		},
		{
			change: "protocol: Anthropic\nendpoint: https://claude.example.com",
			says:   `spec.endpoint: has no version: write "https://claude.example.com/v1"`,
		},
		{
			change: "protocol: Anthropic\nendpoint: https://api.anthropic.com/v1/messages",
			says:   `spec.endpoint: is not where this provider's API is: write "https://api.anthropic.com/v1"`,
		},
		{
			change: "protocol: Anthropic\nendpoint: https://api.openai.com/v1",
			says:   `spec.protocol: api.openai.com does not speak Anthropic; write OpenAI`,
		},
		{
			change: "protocol: Gemini\nendpoint: https://gemini.example.com",
			says:   `spec.endpoint: has no version: write "https://gemini.example.com/v1beta"`,
		},
		{
			change: "protocol: Gemini\nendpoint: https://generativelanguage.googleapis.com/v1beta/models",
			says:   `spec.endpoint: is not where this provider's API is: write "https://generativelanguage.googleapis.com/v1beta"`,
		},
		{
			change: "endpoint: https://generativelanguage.googleapis.com/v1beta",
			says:   `spec.endpoint: is not where this provider's API is: write "https://generativelanguage.googleapis.com/v1beta/openai"`,
		},
		{
			change: "protocol: AzureOpenAI\nendpoint: https://acme.openai.azure.com",
			says:   `spec.endpoint: does not end in /openai, after which calls add /deployments: write "https://acme.openai.azure.com/openai"`,
		},
		{
			change: "protocol: AzureOpenAI\nendpoint: https://acme.openai.azure.com/openai/deployments/gpt-4o",
			says:   `spec.endpoint: has a path too much: calls add it: write "https://acme.openai.azure.com/openai"`,
		},
		{
			change: "protocol: VercelAIGateway\nendpoint: https://ai-gateway.vercel.sh/v1",
			says:   `spec.endpoint: is not where this provider's API is: write "https://ai-gateway.vercel.sh"`,
		},
		{
			change: `costReported: true`,
			says:   `spec.costReported: answers of api.openai.com do not say what a call costs, so that each is charged its whole hold: leave it out`,
		},
		{
			change: `models[0].maxOutputTokens: 16`,
			says:   `spec.models[0].maxOutputTokens: 16 tokens are few for any model; write 16000 if it is in thousands`,
		},
		{
			change: `models[0].contextWindow: 128`,
			says:   `spec.models[0].contextWindow: 128 tokens are few for any model; write 128000 if it is in thousands`,
		},
		{
			change: `models[0].contextWindow: 8192`,
			says:   `spec.models[0].maxOutputTokens: 16384 is more than contextWindow 8192; are the two exchanged?`,
		},
		{
			change: `models[0].tokenizer: cl100k_base`,
			says:   `spec.models[0].tokenizer: gpt-4o reads text with o200k_base: write that`,
		},
		{
			change: "models[0].upstreamName: meta/llama-3.1-8b\nmodels[0].tokenizer: o200k_base",
			says:   `spec.models[0].tokenizer: o200k_base is of OpenAI's models, so that too little is held for calls of llama-3.1-8b: leave it out`,
		},
		{
			change: `models[0].answeredAs: [gpt-4o]`,
			says:   `spec.models[0].answeredAs[0]: "gpt-4o" is the model's own name, which needs no other: leave it out`,
		},
		{
			change: `passFields: [extra_body.top_k]`,
			says:   `spec.passFields[0]: a path begins in the request's JSON: write "top_k"`,
		},
		{
			change: `passFields: [messages.content]`,
			says:   `spec.passFields[0]: messages is an array: write "messages[].content"`,
		},
		{
			change: `neutralUsage: [usage.num_search_queries]`,
			says:   `spec.neutralUsage[0]: a path begins in the usage: write "num_search_queries"`,
		},
	}},
	{"Budgets", "Of TenantBudget `acme`. Beside the samples there is a ModelProvider with `claude-sonnet-4-5`, of protocol Anthropic.", "TenantBudget/acme", []mistake{
		{
			change: `limits[0].models: [gtp-4o]`,
			says:   `spec.limits[0].models[0]: no ModelProvider lists model "gtp-4o"; did you mean "gpt-4o"?`,
			beside: claude,
		},
		{
			change: `limits[0].models: [openai/gpt-4o]`,
			says:   `spec.limits[0].models[0]: no ModelProvider lists model "openai/gpt-4o"; did you mean "gpt-4o"?`,
			beside: claude,
		},
		{
			change: `ladder[0]: {atPercent: 80, action: Downgrade, models: [{from: gtp-4o, to: gpt-4o-min}]}`,
			says:   `spec.ladder[0].models[0].from: no ModelProvider lists model "gtp-4o"; did you mean "gpt-4o"?` + "\n" + `spec.ladder[0].models[0].to: no ModelProvider lists model "gpt-4o-min"; did you mean "gpt-4o-mini"?`,
			beside: claude,
		},
		{
			change: `ladder[1]: {atPercent: 90, action: Trip, fallback: [CheapestModel], cheapestModel: {models: [gpt-4-mini]}}`,
			says:   `spec.ladder[1].cheapestModel.models[0]: no ModelProvider lists model "gpt-4-mini"; did you mean "gpt-4o-mini"?`,
			beside: claude,
		},
		{
			change: `virtualModels: [{name: auto, models: [claude-sonet-4-5]}]`,
			says:   `spec.virtualModels[0].models[0]: no ModelProvider lists model "claude-sonet-4-5"; did you mean "claude-sonnet-4-5"?`,
			beside: claude,
		},
		{
			change: `virtualModels: [{name: auto, models: [gpt-4o-mini, gpt-4o]}]`,
			says:   `spec.virtualModels[0].models[1]: a call of gpt-4o costs more than one of gpt-4o-mini, which is tried before it: list the dearer one first`,
			beside: claude,
		},
		{
			change: `virtualModels: [{name: gpt-4o, models: [gpt-4o-mini]}]`,
			says:   `spec.virtualModels[0].name: hides the model of that name: choose another name, or add the model to models`,
			beside: claude,
		},
		{
			change: `outputCaps: [{models: [gpt4o], maxOutputTokens: 4096}]`,
			says:   `spec.outputCaps[0].models[0]: no ModelProvider lists model "gpt4o"; did you mean "gpt-4o"?`,
			beside: claude,
		},
		{
			change: `outputCaps: [{tiers: [gerentes], maxOutputTokens: 4096}]`,
			says:   `spec.outputCaps[0].tiers[0]: no APIKey or member whose calls count here has tier "gerentes"; did you mean "gerente"?`,
			beside: claude,
		},
		{
			change: `outputCaps: [{tiers: [intern], maxOutputTokens: 4096}]`,
			says:   `spec.outputCaps[0].tiers[0]: no APIKey or member whose calls count here has tier "intern": they have corporativo, empleado, gerente`,
			beside: claude,
		},
		{
			change: `outputCaps: [{models: [gpt-4o], maxOutputTokens: 100000}]`,
			says:   `spec.outputCaps[0].maxOutputTokens: no model that it caps has more output tokens than 16384: lower it, or leave the cap out`,
			beside: claude,
		},
		{
			change: `limits[2].tiers: [corporate]`,
			says:   `spec.limits[2].tiers[0]: no APIKey or member whose calls count here has tier "corporate"; did you mean "corporativo"?`,
			beside: claude,
		},
		{
			change: `limits[2].groups: [research]`,
			says:   `spec.limits[2].groups[0]: no APIKey or member whose calls count here is in group "research": they are in no group`,
			beside: claude,
		},
		{
			change: `fit: {mode: LowerOutput, minOutputTokens: 200000}`,
			says:   `spec.fit.minOutputTokens: no model has more output tokens than 64000, so that no call is lowered: write less`,
			beside: claude,
		},
		{
			change: "outputCaps: [{maxOutputTokens: 2000}]\nfit: {mode: LowerOutput, minOutputTokens: 4096}",
			says:   `spec.fit.minOutputTokens: 4096 is not below the cap of 2000 in spec.outputCaps[0], so that no call that it caps is lowered: write less`,
			beside: claude,
		},
		{
			change: `fit: {mode: Refuse, minOutputTokens: 4096}`,
			says:   `spec.fit.minOutputTokens: mode Refuse lowers no output: write mode LowerOutput, or leave it out`,
			beside: claude,
		},
		{
			change: `assumedOutputTokens: 100000`,
			says:   `spec.assumedOutputTokens: no model has so many output tokens: the most is 64000`,
			beside: claude,
		},
		{
			change: `limits[0].amount: "0.0005"`,
			says:   `spec.limits[0].amount: 0.0005 USD is never enough for a usual call (1000 tokens of input, 1024 of output): the cheapest, of gpt-4o-mini, may cost 0.0007644 USD; raise it` + "\n" + `spec.limits[1].amount: 100.00 USD per Month is never reached: limit daily allows at most 0.0155 USD in that time` + "\n" + `spec.limits[2].amount: 50.00 USD per Month is never reached: limit daily allows at most 0.0155 USD in that time`,
			beside: claude,
		},
		{
			change: "limits[0].amount: \"0.15\"\nfit: {mode: Refuse}",
			says:   `spec.limits[0].amount: 0.15 USD is never enough for a usual call of claude-sonnet-4-5, gpt-4o (1000 tokens of input, 16384 of output: 0.16634 USD); raise it, or set fit.mode LowerOutput` + "\n" + `spec.limits[1].amount: 100.00 USD per Month is never reached: limit daily allows at most 4.65 USD in that time` + "\n" + `spec.limits[2].amount: 50.00 USD per Month is never reached: limit daily allows at most 4.65 USD in that time`,
			beside: claude,
		},
		{
			change: `limits[1].amount: "1000.00"`,
			says:   `spec.limits[1].amount: 1000.00 USD per Month is never reached: limit daily allows at most 155.00 USD in that time`,
			beside: claude,
		},
		{
			change: `limits[2].amount: "500.00"`,
			says:   `spec.limits[2].amount: 500.00 USD per Month is never reached: limit monthly allows at most 100.00 USD in that time`,
			beside: claude,
		},
		{
			change: `limits[0].amount: "500000"`,
			says:   `spec.limits[0].amount: 500000.00 USD per Day limits nothing; is it in cents?` + "\n" + `spec.limits[0].amount: 500000.00 USD per Day is never reached: limit monthly allows at most 100.00 USD in that time`,
			beside: claude,
		},
		{
			change: `parentRef: {name: company}`,
			beside: company,
			says:   `spec.limits[0].amount: 5.00 USD per Day is never reached: limit monthly of tenant company allows at most 3.00 USD per Month`,
		},
		{
			change: `parentRef: {name: compny}`,
			beside: company,
			says:   `has no effect yet: spec.parentRef: Not found: "acme/compny": namespace acme has no TenantBudget of this name; did you mean "acme/company"?`,
		},
		{
			change: `limits[0].period: 24h`,
			says:   `spec.limits[0].period: 24h begins at midnight in UTC; write Day for midnight in America/Argentina/Buenos_Aires`,
			beside: claude,
		},
		{
			change: `ladder: [{atPercent: 90, action: Trip}, {atPercent: 95, action: Warn}]`,
			says:   `spec.ladder[1].atPercent: Warn at 95 % comes after Trip at 90 %, from which on calls are refused: lower it`,
			beside: claude,
		},
		{
			change: `ladder: [{atPercent: 9, action: Trip}]`,
			says:   `spec.ladder[0].atPercent: calls are refused from 9 % on: the other 91 % of each limit can never be spent`,
			beside: claude,
		},
		{
			change: `ladder: [{atPercent: 100, action: Trip, fallback: [CheapestModel]}]`,
			says:   `spec.ladder[0].fallback: at 100 % nothing is left to call CheapestModel with: lower atPercent`,
			beside: claude,
		},
		{
			change: `ladder[0]: {atPercent: 80, action: Downgrade, models: [{from: gpt-4o-mini, to: gpt-4o}]}`,
			says:   `spec.ladder[0].models[0].to: a call of gpt-4o costs more than one of gpt-4o-mini: write a cheaper model`,
			beside: claude,
		},
		{
			change: `ladder[0]: {atPercent: 80, action: Downgrade, models: [{from: claude-sonnet-4-5, to: gpt-4o-mini}]}`,
			says:   `spec.ladder[0].models[0].to: gpt-4o-mini is of protocol OpenAI, and claude-sonnet-4-5 of Anthropic: a call keeps its protocol, so write a model of Anthropic`,
			beside: claude,
		},
		{
			change: `unknownModel: PriceAsMostExpensive`,
			says:   `spec.unknownModel: no ModelProvider sets unlistedModels: unlisted models are refused until one does`,
			beside: claude,
		},
		{
			change: `timeZone: Buenos_Aires`,
			says:   `refused: spec.timeZone: Invalid value: "Buenos_Aires": unknown time zone: use an IANA name such as "America/Argentina/Buenos_Aires" or "UTC"`,
			beside: claude,
		},
		{
			change: `successorRef: {name: acme-prod}`,
			says:   `spec.successorRef: there is no TenantBudget acme/acme-prod of this tenant yet: this one governs it until there is`,
		},
		{
			change: `successorRef: {name: acme-prd}`,
			beside: prodOf("acme"),
			says:   `spec.successorRef: there is no TenantBudget acme/acme-prd of this tenant yet: this one governs it until there is; did you mean "acme-prod"?`,
		},
		{
			change: `successorRef: {name: acme-prod}`,
			beside: prodOf("acme-prod"),
			says:   `spec.successorRef: TenantBudget acme/acme-prod has spec.tenant "acme-prod": it takes over only with "acme"`,
		},
		{
			change: `successorRef: {name: acme-prod, namespace: other}`,
			beside: strings.Replace(prodOf("acme-prod"), "namespace: acme", "namespace: other", 1),
			says:   `spec.successorRef: there is no TenantBudget other/acme-prod of this tenant yet: this one governs it until there is`,
		},
		{
			change: `successorRef: {name: acme}`,
			says:   `spec.successorRef: names this TenantBudget itself: name the one that takes over, or leave successorRef out`,
		},
		{
			change: `successorRef: {name: acme-prod}`,
			beside: prodOf("acme-prod") + child,
			says: `spec.successorRef: TenantBudget acme/acme-prod has spec.tenant "acme-prod": it takes over only with "acme"` + "\n" +
				`spec.successorRef: its children follow to acme/acme-prod: name that in spec.parentRef of acme/team before this one is deleted`,
		},
		{
			change: `alerts: {email: [ops@example.com], filters: [{recipients: [ops@example.com], limits: [dayly]}]}`,
			says:   `spec.alerts.filters[0].limits[0]: the budget has no limit "dayly"; did you mean "daily"?`,
		},
	}},
	{"Rate limits", "Of RateLimitPolicy `tiers`. There are APIKeys of the tiers `empleado`, `gerente` and `corporativo`.", "RateLimitPolicy/tiers", []mistake{
		{
			change: `limits[1].tiers: [gerent]`,
			says:   `spec.limits[1].tiers[0]: no APIKey or member whose calls count here has tier "gerent"; did you mean "gerente"?` + "\n" + `spec.limits: APIKey acme/gerente-1 has tier "gerente", which no rate limit selects; did you mean "gerent"?`,
		},
		{
			change: `limits[1].tiers: [director]`,
			says:   `spec.limits[1].tiers[0]: no APIKey or member whose calls count here has tier "director": they have corporativo, empleado, gerente` + "\n" + `spec.limits: APIKey acme/gerente-1 has tier "gerente", which no rate limit selects: they select corporativo, director, empleado`,
		},
		{
			change: `limits[0].models: [gpt-4o-mni]`,
			says:   `spec.limits[0].models[0]: no ModelProvider lists model "gpt-4o-mni"; did you mean "gpt-4o-mini"?`,
		},
		{
			change: `limits[4]: {name: tokens, per: User, tokens: 1500, window: 1m}`,
			says:   `spec.limits[4].tokens: 1500 at once is never enough for a usual call (1000 tokens of input, 1024 of output): write 2024 or more`,
		},
		{
			change: `limits[4]: {name: tokens, per: User, tokens: 200000, burst: 1000, window: 1m}`,
			says:   `spec.limits[4].burst: 1000 at once is never enough for a usual call (1000 tokens of input, 1024 of output): write 2024 or more`,
		},
		{
			change: `limits[3]: {name: all, per: User, requests: 10, window: 1m}`,
			says:   `spec.limits[1]: is never reached: limit all counts all tiers, too, and is lower; raise that one, or give it other tiers` + "\n" + `spec.limits[2]: is never reached: limit all counts all tiers, too, and is lower; raise that one, or give it other tiers`,
		},
		{
			change: `limits[3]: {name: org, per: Tenant, requests: 50, window: 1m}`,
			says:   `spec.limits[2]: is never reached: limit org counts all tiers, too, and is lower; raise that one, or give it other tiers`,
		},
		{
			change: `unlimitedTiers: Deny` + "\n" + `limits[1].tiers: [gerentes]`,
			says: `spec.limits[1].tiers[0]: no APIKey or member whose calls count here has tier "gerentes"; did you mean "gerente"?` + "\n" +
				`spec.unlimitedTiers: calls of APIKey acme/gerente-1 are refused: no limit of RateLimitPolicy tiers selects tier "gerente"`,
		},
		{
			change: `unlimitedTiers: Deny` + "\n" + `limits[3]: {name: everybody, per: User, requests: 200, window: 1m}`,
			says:   `spec.unlimitedTiers: limit everybody selects all tiers, so that Deny has no effect: leave it out`,
		},
		{
			change: `unlimitedTiers: Deny` + "\n" + `limits: [{name: all, per: Tenant, requests: 200, window: 1m}]`,
			says:   `spec.unlimitedTiers: Deny refuses every call: no limit of requests or tokens has per: User; add one`,
		},
		{
			change: `targetSelector: {matchLabels: {plan: free}}`,
			says:   `has no effect yet: spec.targetSelector: Invalid value: no TenantBudget in the selected namespaces has these labels`,
		},
	}},
	{"Keys", "Of APIKey `gerente-1`.", "APIKey/gerente-1", []mistake{
		{
			change: `budgetRef: {name: acne}`,
			says:   `has no effect yet: spec.budgetRef.name: Not found: "acne": namespace acme has no TenantBudget of this name; did you mean "acme"?`,
		},
		{
			change: `tier: gerant`,
			says:   `spec.tier: is "gerant", which no rate limit selects; did you mean "gerente"?`,
		},
		{
			change: `tier: director`,
			says:   `spec.tier: is "director", which no rate limit selects: they select corporativo, empleado, gerente`,
		},
		{
			change: `sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`,
			says:   `spec.sha256: is the hash of nothing: the variable with the key was empty`,
		},
		{
			change: `user: Empleado-1`,
			says:   `spec.user: "Empleado-1" and "empleado-1", of another APIKey, are two users, each with limits of their own: write both alike`,
		},
		{
			change: `actFor: {users: [".shop-*", "shop-*"]}`,
			says:   `spec.actFor.users[0]: ".shop-*" can name nobody: the name of a user begins with a letter or a digit`,
		},
		{
			change: `actFor: {users: [gerente-1]}`,
			says:   `spec.actFor.users: names only "gerente-1", for whom the credential calls anyway: name the users that it is to act for`,
		},
		{
			change: `actFor: {users: ["shop-*"], tiers: [empleado, gerant]}`,
			says:   `spec.actFor.tiers[1]: is "gerant", which no rate limit selects; did you mean "gerente"?`,
		},
	}},
	{"Members", "Of Membership `workloads`.", "Membership/workloads", []mistake{
		{
			change: "budgetRef: {name: acne}\nidentityProviderRef: {name: clutser}",
			says: `has no effect yet: spec.budgetRef.name: Not found: "acne": namespace acme has no TenantBudget of this name; did you mean "acme"?` + "\n" +
				`has no effect yet: spec.identityProviderRef.name: Invalid value: "clutser": no IdentityProvider of this name allows Memberships in namespace acme; did you mean "cluster"?`,
		},
		{
			change: `members[0].subject: system:serviceaccount:other:reports`,
			says:   `refused: spec.members[0].subject: Forbidden: IdentityProvider cluster does not allow this namespace to name this subject: extend its spec.allowedMemberships, or remove the member`,
		},
		{
			change: `members[0].tier: gerent`,
			says:   `spec.members[0].tier: is "gerent", which no rate limit selects; did you mean "gerente"?`,
		},
		{
			change: `members[0].actFor: {users: ["*"], tiers: [director]}`,
			says:   `spec.members[0].actFor.tiers[0]: is "director", which no rate limit selects: they select corporativo, empleado, gerente`,
		},
	}},
	{"Grants", "Of BudgetGrant `quarterly-report`.", "BudgetGrant/quarterly-report", []mistake{
		{
			change: `amount: "100.00"`,
			says:   `spec.amount: adds 100.00 to a limit of 5.00, 20 times as much: is a digit too many?`,
		},
		{
			change: `expiresAt: "2036-01-01T00:00:00Z"`,
			says:   `spec.expiresAt: the grant lasts 3319 days: to add to a limit for good, raise its amount in the TenantBudget`,
		},
		{
			change: "limit: each-user\nuser: gerente1",
			says:   `spec.user: no APIKey that counts against the budget is of user "gerente1"; did you mean "gerente-1"?`,
		},
		{
			change: `limit: dayly`,
			says:   `has no effect yet: spec.limit: Not found: "dayly": TenantBudget acme has no limit of this name; did you mean "daily"?`,
		},
	}},
}
