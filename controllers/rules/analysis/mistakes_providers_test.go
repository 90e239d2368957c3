package analysis_test

// mistakesOfProviders are mistakes in ModelProviders.
var mistakesOfProviders = []mistaken{
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
			says:   `spec.models[0].prices.output: 2.50 is less than half of the price of input, 10.00; are the two swapped?`,
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
			says:   `spec.models[0].prices.cacheWrite5m: 0.30, for writing to the cache, is less than cachedInput 2.00, for reading; are the two swapped?`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", longContext: [{aboveInputTokens: 200, input: "5.00", output: "15.00"}]}`,
			says:   `spec.models[0].prices.longContext[0].aboveInputTokens: 200 tokens are a short call; write 200000 if it is in thousands`,
		},
		{
			change: `models[0].prices: {input: "2.50", output: "10.00", longContext: [{aboveInputTokens: 200000, input: "1.25", output: "10.00"}]}`,
			says:   `spec.models[0].prices.longContext[0].input: 1.25 is less than calls with short input cost, 2.50; are the two swapped?`,
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
			says:   `spec.models[0].prices.serviceTiers[0].input: 1.25 is less than the default tier costs, 2.50; priority is more expensive with every provider`,
		},
		{
			change: `models[0].priceChanges: [{effectiveFrom: "2027-01-01T00:00:00Z", prices: {input: "25.00", output: "100.00"}}]`,
			says:   `spec.models[0].priceChanges[0].prices.input: goes from 2.50 to 25.00, by a factor of 10: is a digit wrong?`,
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
			says:   `spec.models[0].prices.fees[0].name: paths start inside the usage: write "num_search_queries"`,
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
			says:   `spec.endpoint: has a path that calls add themselves: write "https://llm.example.com/v1"`,
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
			says:   `spec.endpoint: has a path that calls add themselves: write "https://acme.openai.azure.com/openai"`,
		},
		{
			change: "protocol: VercelAIGateway\nendpoint: https://ai-gateway.vercel.sh/v1",
			says:   `spec.endpoint: is not where this provider's API is: write "https://ai-gateway.vercel.sh"`,
		},
		{
			change: `costReported: true`,
			says:   `spec.costReported: answers of api.openai.com do not say what a call costs, so each call is charged its whole hold: leave it out`,
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
			says:   `spec.models[0].maxOutputTokens: 16384 is more than contextWindow 8192; are the two swapped?`,
		},
		{
			change: `models[0].tokenizer: cl100k_base`,
			says:   `spec.models[0].tokenizer: gpt-4o reads text with o200k_base: write that`,
		},
		{
			change: "models[0].upstreamName: meta/llama-3.1-8b\nmodels[0].tokenizer: o200k_base",
			says:   `spec.models[0].tokenizer: o200k_base is for OpenAI's models, so that too little is held for calls of llama-3.1-8b: leave it out`,
		},
		{
			change: `models[0].answeredAs: [gpt-4o]`,
			says:   `spec.models[0].answeredAs[0]: "gpt-4o" is the model's own name, which needs no other: leave it out`,
		},
		{
			change: `passFields: [extra_body.top_k]`,
			says:   `spec.passFields[0]: paths start at the top of the request's JSON: write "top_k"`,
		},
		{
			change: `passFields: [messages.content]`,
			says:   `spec.passFields[0]: messages is an array: write "messages[].content"`,
		},
		{
			change: `neutralUsage: [usage.num_search_queries]`,
			says:   `spec.neutralUsage[0]: paths start inside the usage: write "num_search_queries"`,
		},
	}},
}
