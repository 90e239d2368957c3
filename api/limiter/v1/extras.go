package limiterv1

// UsualValues are the properties of a protocol's calls that can change the price of all their
// tokens, each with the values that do not. Only the enforcer knows what a property means; the
// names are here because ModelProviders have multipliers for them.
func UsualValues(p Protocol) map[string][]string {
	if p == Anthropic {
		return map[string][]string{"inference_geo": {"global", "not_available"}, "speed": {"standard"}}
	}
	return nil
}

// AskedFees are the names of the fees for what requests of a protocol ask for, in their order.
// Other fees are for what answers count.
func AskedFees(p Protocol) []string {
	switch p {
	case Anthropic:
		return []string{"web_fetch", "web_search"}
	case OpenAI:
		return []string{"web_search"}
	case Gemini:
		return []string{"google_search"}
	}
	return nil
}
