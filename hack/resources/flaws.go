package resources

import (
	"fmt"
	"strings"
)

// Values that no field of these kinds may have.
var (
	wrongNames = []any{nil, "", "Daily", "a.b", "a b", "-a", "a-", "día", "a\r\n", "a\x00b", "ａ", strings.Repeat("a", 64), 7, true, []any{}}
	// Amounts of a limit.
	wrongAmounts = []any{
		nil, "", "-1", "-0.01", "1e3", "+5", "5.", ".5", "$5", "5 USD", "1,000", "5\r\n", " 5", "５", "٥", "0x10", "NaN", "Infinity", "5.0.0",
		"0.0000000001", "1.1234567890", "9000000.000000001", "9000001", "99999999999999999999999999999999", strings.Repeat("0", 33),
		5, 0.5, true, []any{"5"}, map[string]any{"usd": "5"},
	}
	wrongPrices = []any{
		"", "-1", "1e3", "+5", "5.", ".5", "5\r\n", "５", "0.0000000001", "9000000.000000001", "9000001", "00000000", 5, 0.5, []any{},
	}
	wrongPeriods = []any{
		nil, "", "Fortnight", "day", "DAY", "Day ", "Day\r\n", "0s", "500ms", "1500ms", "25h", "24h1s", "-5m", "1.5m", "60", "5M", "5 m",
		"99999999999999h", strings.Repeat("1s", 17), 5, true,
	}
	wrongZones = []any{
		"", "Mars/Olympus_Mons", "Local", "local", "localtime", "posixrules", "America", "America/", "America//New_York", "america/new_york",
		"/UTC", "../UTC", "right/UTC", "posix/UTC", "UTC+3", "GMT+25", "+03:00", "Etc/GMT+15", "Europe/Berlin\r\n", "Europe/Zürich", "UTC\x00",
		"Europe/ Berlin", "tzdata.zi", "leapseconds", strings.Repeat("A", 65), 3, true,
	}
	wrongUsers  = []any{"", "two words", "-a", "a\r\nb", "josé", "a\x00", strings.Repeat("u", 129), 5}
	wrongTiers  = []any{"Gerente", "a.b", "", "gerente\r\n", "gérente", strings.Repeat("t", 64), 5}
	wrongGroups = []any{"", "a\nb", "\u0085", strings.Repeat("g", 257), 5}
	wrongLabels = []any{"x", []any{}, map[string]any{"a b": "c"}, map[string]any{"-": "a"}, map[string]any{"a": ""}, map[string]any{"a": "b\tc"},
		map[string]any{strings.Repeat("l", 64): "a"}, map[string]any{"a": strings.Repeat("v", 257)}, map[string]any{"a": 5},
		map[string]any{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6", "g": "7", "h": "8", "i": "9"}}
	wrongModels = []any{"", "gpt 4o", "-gpt", "gpt-4o\r\n", "gpt–4o", "模型", strings.Repeat("m", 129), 4}
)

// huge is the length of lists that are far too long.
const huge = 2000

var budgetFlaws = all(
	is("spec", nil, "x", []any{}),
	is("spec.tenant", append(wrongNames, "acme.example")...),
	is("spec.timeZone", wrongZones...),
	is("spec.limits", nil, "5", []any{}, many(17, aLimit), many(huge, aLimit)),
	is("spec.limits[*]", nil, "5"),
	is("spec.limits[*].name", wrongNames...),
	is("spec.limits[*].amount", wrongAmounts...),
	is("spec.limits[*].period", wrongPeriods...),
	is("spec.limits[*].per", "Team", "user", "", 1),
	is("spec.limits[*].groups", "research", many(17, aName)),
	is("spec.limits[*].groups[*]", wrongGroups...),
	is("spec.limits[*].labels", wrongLabels...),
	is("spec.limits[*].tiers", "gerente", many(17, aName)),
	is("spec.limits[*].models", "gpt-4o", many(huge, aName)),
	is("spec.limits[*].tiers[*]", wrongTiers...),
	is("spec.limits[*].models[*]", wrongModels...),
	again("spec.limits", "spec.limits[$]", nil),
	again("spec.limits", "spec.limits", func(limit map[string]any) { limit["name"] = "the-same" }),
	is("spec.ladder", "Trip", many(9, aWarning)),
	is("spec.ladder[*].atPercent", nil, 0, 101, -1, "80", 80.5, int64(1)<<40),
	is("spec.ladder[*].action", nil, "", "trip", "Stop", 1),
	again("spec.ladder", "spec.ladder", nil),
	breaks("spec.ladder", "spec.ladder", []any{aRung(90, "Trip"), aRung(95, "Trip")}),
	breaks("spec.ladder", "spec.ladder", []any{aDowngrade(50, "a", "b"), aDowngrade(60, "a", "b")}),
	breaks("spec.ladder", "spec.ladder", []any{aRung(70, "Trip"), aDowngrade(80, "a", "b")}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aRung(80, "Downgrade")}),
	breaks("spec.ladder[0].models[0]", "spec.ladder", []any{aDowngrade(80, "a", "a")}),
	breaks("spec.ladder[0].models[0].from", "spec.ladder", []any{aDowngrade(80, "a b", "c")}),
	breaks("spec.ladder[0].models[0].to", "spec.ladder", []any{aDowngrade(80, "a", "")}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aTrip(map[string]any{"fallback": []any{"Message"}})}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aTrip(map[string]any{"message": "No."})}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aTrip(map[string]any{"cache": map[string]any{"maxAge": "1h"}})}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aTrip(map[string]any{"cheapestModel": map[string]any{}})}),
	breaks("spec.ladder[0]", "spec.ladder", []any{aTrip(map[string]any{"fallback": []any{"Message", "Cache"}, "message": "No."})}),
	breaks("spec.ladder[0].fallback[1]", "spec.ladder", []any{aTrip(map[string]any{"fallback": []any{"Cache", "Cache"}})}),
	breaks("spec.ladder[0].fallback[0]", "spec.ladder", []any{aTrip(map[string]any{"fallback": []any{"Hope"}})}),
	is("spec.ladder[*].message", strings.Repeat("é", 2049), 1),
	is("spec.ladder[*].cache.maxAge", "0s", "25h", "a while", "1h\r\n", 1),
	is("spec.successorRef", "other", []any{}),
	breaks("spec.successorRef.name", "spec.successorRef", map[string]any{"namespace": "a"}),
	breaks("spec.successorRef.name", "spec.successorRef", map[string]any{"name": "A b"}),
	breaks("spec.successorRef.namespace", "spec.successorRef", map[string]any{"name": "a", "namespace": "A.b"}),
	is("spec.breaker", "Open", []any{}),
	is("spec.breaker.forced", "open", "Half", true),
	is("spec.breaker.reason", "", strings.Repeat("é", 513), "a\nb", 1),
	breaks("spec.breaker.reason", "spec.breaker", map[string]any{"reason": "Why not."}),
	is("spec.contact", "", strings.Repeat("é", 257), "a\x7fb", 1),
	is("spec.enforcement", "", "enforce", "Off", true),
	is("spec.currency", "EUR", []any{}),
	is("spec.currency.code", nil, "", "USD", "eur", "EURO", "€", "EUR\n", 1),
	is("spec.currency.usdPerUnit", nil, "", "0", "0.0", "-1", "1000.1", "1e2", "1,1", "0.0000000001", "1.", 1.085),
	is("spec.currency.asOf", nil, "", "yesterday", "2026-13-01", "2026-10-01T00:00:00Z", "2026-10", 20261001),
	is("spec.assumedOutputTokens", 0, -1, 10_000_001, "1000", 1.5),
	is("spec.outputCaps", 4096, many(17, aCap), many(2, func(int) any { return aCap(0) })),
	is("spec.outputCaps[*]", nil, 4096),
	is("spec.outputCaps[*].maxOutputTokens", nil, 0, 15, -1, 10_000_001, "4096", 20.5),
	is("spec.outputCaps[*].tiers", "gerente", many(17, aName)),
	is("spec.outputCaps[*].tiers[*]", wrongTiers...),
	is("spec.outputCaps[*].models", "gpt-4o", many(17, aName)),
	is("spec.outputCaps[*].models[*]", wrongModels...),
	is("spec.fit", "LowerOutput", 1024, []any{}),
	is("spec.fit.mode", "", "lowerOutput", "Off", false),
	is("spec.fit.minOutputTokens", 0, 15, -1, 10_000_001, "1024", 20.5),
	is("spec.unknownModel", "", "Allow", "deny", true),
	is("spec.onStoreLoss", "", "Allow", true),
	is("spec.storeLossPercent", 0, 51, -1, "1", 1.5),
	breaks("spec.storeLossPercent", "spec", map[string]any{"tenant": "a", "limits": many(1, aLimit), "storeLossPercent": 1}),
	is("spec.virtualModels", "auto", many(17, func(i int) any { return aVirtualModel(fmt.Sprint("v", i), "a") })),
	is("spec.virtualModels[*].name", wrongModels...),
	is("spec.virtualModels[*].models", nil, []any{}, "a", many(9, aName), []any{"a", "a"}),
	is("spec.virtualModels[*].models[*]", wrongModels...),
	again("spec.virtualModels", "spec.virtualModels[$]", nil),
	is("spec.alerts", "ops@example.com", map[string]any{}),
	breaks("spec.alerts.filters", "spec.alerts", alertsTo("Slack", "minSeverity", "Critical")),
	breaks("spec.alerts.filters", "spec.alerts", alertsTo("dev@example.com", "minSeverity", "Critical")),
	breaks("spec.alerts.filters[0]", "spec.alerts", alertsTo("ops@example.com", "", nil)),
	breaks("spec.alerts.filters[0].recipients[0]", "spec.alerts", alertsTo("Discord", "minSeverity", "Critical")),
	breaks("spec.alerts.filters[0].minSeverity", "spec.alerts", alertsTo("ops@example.com", "minSeverity", "Info")),
	breaks("spec.alerts.filters[0].limits", "spec.alerts", alertsTo("ops@example.com", "limits", []any{})),
	breaks("spec.alerts.filters[0].limits[0]", "spec.alerts", alertsTo("ops@example.com", "limits", []any{"Daily"})),
	is("spec.parentRef", "acme"),
	breaks("spec.parentRef.name", "spec.parentRef", map[string]any{"namespace": "acme"}),
	breaks("spec.parentRef.name", "spec.parentRef", map[string]any{"name": ""}),
	breaks("spec.parentRef.namespace", "spec.parentRef", map[string]any{"name": "a", "namespace": strings.Repeat("n", 64)}),
	is("spec.tenantt", "acme"),
	is("spec.limits[*].amountt", "5"),
)

// selectorFlaws are flaws of policies that the API server does not find.
var selectorFlaws = all(
	is("spec.targetSelector.matchLabels", map[string]any{"a b": "c"}, map[string]any{"plan": "a b"}, map[string]any{"plan": strings.Repeat("a", 64)}),
	is("spec.targetSelector.matchExpressions", []any{map[string]any{"key": "plan", "operator": "Near"}},
		[]any{map[string]any{"key": "plan", "operator": "In"}}, []any{map[string]any{"key": "plan", "operator": "Exists", "values": []any{"a"}}}),
	is("spec.targetSelector.namespaces", map[string]any{"from": "Selector", "selector": map[string]any{"matchLabels": map[string]any{"-": "a"}}}),
)

// aimed is a flaw that sets both ways in which a policy can name its targets.
func aimed(why string, ref, selector any) []flaw {
	return []flaw{func(m *Maker, object map[string]any) (string, string, bool) {
		_, ok := set(m, object, "spec.targetRef", ref)
		_, alsoOK := set(m, object, "spec.targetSelector", selector)
		return "spec", why, ok && alsoOK
	}}
}

func anExpression(i int) any {
	return map[string]any{"key": fmt.Sprintf("plan-%d", i), "operator": "DoesNotExist"}
}

var policyFlaws = all(
	is("spec", nil, []any{}),
	is("spec.targetRef", "acme"),
	is("spec.targetRef.name", nil, "", strings.Repeat("n", 254), 1),
	is("spec.targetRef.kind", "", "Tenant", 1),
	aimed("neither names nor selects", nil, nil),
	aimed("names and selects", map[string]any{"name": "acme"}, map[string]any{}),
	is("spec.targetSelector", "plan"),
	is("spec.targetSelector.kind", "", "Tenant", 1),
	is("spec.targetSelector.matchLabels", "plan", []any{}),
	is("spec.targetSelector.matchExpressions", "plan", many(33, anExpression)),
	is("spec.targetSelector.namespaces.from", "", "Here", 1),
	breaks("spec.targetSelector.namespaces", "spec.targetSelector.namespaces", map[string]any{"from": "Selector"}),
	breaks("spec.targetSelector.namespaces", "spec.targetSelector.namespaces", map[string]any{"from": "All", "selector": map[string]any{}}),
	is("spec.limits", nil, "5", []any{}, many(33, aRateLimit), many(huge, aRateLimit)),
	is("spec.unlimitedTiers", "", "deny", "Refuse", 1),
	is("spec.limits[*]", nil, "5"),
	is("spec.limits[*].name", wrongNames...),
	again("spec.limits", "spec.limits[$]", nil),
	is("spec.limits[*].per", nil, "", "Team", 1),
	is("spec.limits[*].groups", "research", many(17, aName)),
	is("spec.limits[*].groups[*]", wrongGroups...),
	is("spec.limits[*].labels", wrongLabels...),
	is("spec.limits[*].tiers", "gerente", many(17, aName)),
	is("spec.limits[*].tiers[*]", wrongTiers...),
	is("spec.limits[*].models[*]", wrongModels...),
	is("spec.limits[*].models", many(huge, aName)),
	is("spec.limits[*].requests", 0, -1, 1_000_001, "5", 1.5),
	is("spec.limits[*].tokens", 0, -1, 100_000_001, "5", 1.5),
	is("spec.limits[*].concurrent", 0, -1, 1_000_001, "5", 1.5),
	is("spec.limits[*].burst", 0, -1, 100_000_001, "5", 1.5),
	is("spec.limits[*].window", "", "0s", "999ms", "24h1ms", "-1m", "1.5m", "1m\r\n", "60", "a minute", 60, strings.Repeat("1s", 17)),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "none", "per": "User", "window": "1m"}),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "both", "per": "User", "window": "1m", "requests": 1, "tokens": 1}),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "no-window", "per": "User", "requests": 1}),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "window", "per": "User", "window": "1m", "concurrent": 1}),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "burst", "per": "User", "burst": 1, "concurrent": 1}),
	breaks("spec.limits[*]", "spec.limits[*]", map[string]any{"name": "tiers", "per": "Tenant", "tiers": []any{"a"}, "concurrent": 1}),
	is("spec.limit", []any{}),
)

var keyFlaws = all(
	is("spec", nil, []any{}),
	is("spec.sha256", nil, "", "abc", strings.Repeat("A", 64), strings.Repeat("g", 64), strings.Repeat("a", 63), strings.Repeat("a", 65),
		strings.Repeat("a", 64)+"\r\n", strings.Repeat("á", 64), 5),
	is("spec.budgetRef", nil, "acme"),
	is("spec.budgetRef.name", nil, "", strings.Repeat("n", 254), 1),
	is("spec.user", append(wrongUsers, nil)...),
	is("spec.tier", append(wrongTiers, nil)...),
	is("spec.expiresAt", "tomorrow", "2027-01-01", "2027-13-01T00:00:00Z", 1_800_000_000, ""),
	is("spec.groups", "research", many(65, aName)),
	is("spec.groups[*]", "", "a b", "a:b", "-a", strings.Repeat("g", 64), 5),
	is("spec.labels", wrongLabels...),
	is("spec.models", []any{}, "gpt-4o", many(65, aName)),
	is("spec.models[*]", "", "gpt 4o", "**", "-gpt*", strings.Repeat("m", 129)),
	is("spec.actFor", "ana"),
	is("spec.actFor.users", nil, []any{}, many(17, aName)),
	is("spec.actFor.users[*]", "", "two words", "**", "a*b*", "josé", strings.Repeat("u", 129)),
	is("spec.actFor.groups", []any{}, "research", many(17, aName)),
	is("spec.actFor.groups[*]", "", "a b", "a*b*", strings.Repeat("g", 64)),
	is("spec.actFor.tiers[*]", append(wrongTiers, "*")...),
	is("spec.previousKeys", []any{}),
	is("spec.previousKeys[*].sha256", nil, "abc", strings.Repeat("A", 64)),
	is("spec.previousKeys[*].expiresAt", nil, "tomorrow"),
	is("spec.key", "secret"),
)

func aName(i int) any { return fmt.Sprint("n", i) }

func aCap(i int) any {
	return map[string]any{"models": []any{fmt.Sprint("m", i)}, "maxOutputTokens": 16}
}

func aLimit(i int) any {
	return map[string]any{"name": fmt.Sprint("l", i), "period": fmt.Sprintf("%ds", i+1), "amount": "1"}
}

func aRateLimit(i int) any {
	return map[string]any{"name": fmt.Sprint("l", i), "per": "User", "concurrent": 1}
}

func aRung(percent int, action string) map[string]any {
	return map[string]any{"atPercent": percent, "action": action}
}

func aWarning(i int) any { return aRung(i+1, "Warn") }

func aDowngrade(percent int, from, to string) any {
	rung := aRung(percent, "Downgrade")
	rung["models"] = []any{map[string]any{"from": from, "to": to}}
	return rung
}

func aTrip(with map[string]any) any {
	rung := aRung(90, "Trip")
	for key, value := range with {
		rung[key] = value
	}
	return rung
}

func aVirtualModel(name string, models ...any) any {
	return map[string]any{"name": name, "models": models}
}

// alertsTo are alerts to one address, with a filter for a recipient that has one more field.
func alertsTo(recipient, field string, value any) map[string]any {
	filter := map[string]any{"recipients": []any{recipient}}
	if field != "" {
		filter[field] = value
	}
	return map[string]any{"email": []any{"ops@example.com"}, "filters": []any{filter}}
}
