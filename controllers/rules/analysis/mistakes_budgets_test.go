package analysis_test

import "strings"

// mistakesOfBudgets are mistakes in TenantBudgets.
var mistakesOfBudgets = []mistaken{
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
			says:   `spec.virtualModels[0].models[1]: a call of gpt-4o costs more than one of gpt-4o-mini, which is tried before it: list the more expensive one first`,
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
			says:   `spec.fit.minOutputTokens: no model has more output tokens than 64000, so no call is ever lowered: write less`,
			beside: claude,
		},
		{
			change: "outputCaps: [{maxOutputTokens: 2000}]\nfit: {mode: LowerOutput, minOutputTokens: 4096}",
			says:   `spec.fit.minOutputTokens: 4096 is not below the cap of 2000 in spec.outputCaps[0], so no capped call is ever lowered: write less`,
			beside: claude,
		},
		{
			change: `fit: {mode: Refuse, minOutputTokens: 4096}`,
			says:   `spec.fit.minOutputTokens: mode Refuse lowers no output: write mode LowerOutput, or leave it out`,
			beside: claude,
		},
		{
			change: `assumedOutputTokens: 100000`,
			says:   `spec.assumedOutputTokens: no model has that many output tokens: the most is 64000`,
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
			says:   `spec.ladder[1].atPercent: Warn at 95 % comes after Trip at 90 %, where calls are already refused: lower it`,
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
			says:   `spec.successorRef: there is no TenantBudget acme/acme-prod of this tenant yet: this one governs the tenant until there is`,
		},
		{
			change: `successorRef: {name: acme-prd}`,
			beside: prodOf("acme"),
			says:   `spec.successorRef: there is no TenantBudget acme/acme-prd of this tenant yet: this one governs the tenant until there is; did you mean "acme-prod"?`,
		},
		{
			change: `successorRef: {name: acme-prod}`,
			beside: prodOf("acme-prod"),
			says:   `spec.successorRef: TenantBudget acme/acme-prod has spec.tenant "acme-prod": it takes over only with "acme"`,
		},
		{
			change: `successorRef: {name: acme-prod, namespace: other}`,
			beside: strings.Replace(prodOf("acme-prod"), "namespace: acme", "namespace: other", 1),
			says:   `spec.successorRef: there is no TenantBudget other/acme-prod of this tenant yet: this one governs the tenant until there is`,
		},
		{
			change: `successorRef: {name: acme}`,
			says:   `spec.successorRef: names this TenantBudget itself: name the one that takes over, or leave successorRef out`,
		},
		{
			change: `successorRef: {name: acme-prod}`,
			beside: prodOf("acme-prod") + child,
			says: `spec.successorRef: TenantBudget acme/acme-prod has spec.tenant "acme-prod": it takes over only with "acme"` + "\n" +
				`spec.successorRef: its children move below acme/acme-prod: name it in spec.parentRef of acme/team before you delete this one`,
		},
		{
			change: `alerts: {email: [ops@example.com], filters: [{recipients: [ops@example.com], limits: [dayly]}]}`,
			says:   `spec.alerts.filters[0].limits[0]: the budget has no limit "dayly"; did you mean "daily"?`,
		},
	}},
}
