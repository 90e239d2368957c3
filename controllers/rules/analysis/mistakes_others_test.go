package analysis_test

// mistakesOfOthers are mistakes in what refers to TenantBudgets.
var mistakesOfOthers = []mistaken{
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
			says:   `spec.user: "Empleado-1" and "empleado-1", of another APIKey, are two users, each with limits of their own: spell both the same way`,
		},
		{
			change: `actFor: {users: [".shop-*", "shop-*"]}`,
			says:   `spec.actFor.users[0]: ".shop-*" matches no user: the name of a user begins with a letter or a digit`,
		},
		{
			change: `actFor: {users: [gerente-1]}`,
			says:   `spec.actFor.users: names only "gerente-1", the credential's own user: name the users that it may act for`,
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
			says:   `spec.amount: adds 100.00 to a limit of 5.00, 20 times as much: is there a digit too many?`,
		},
		{
			change: `expiresAt: "2036-01-01T00:00:00Z"`,
			says:   `spec.expiresAt: the grant lasts 3319 days: to raise a limit permanently, raise its amount in the TenantBudget`,
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
